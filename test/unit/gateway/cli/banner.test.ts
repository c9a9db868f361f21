import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { banner, curl, type Served } from "../../../../gateway/cli/banner.ts";
import { wantsColor } from "../../../../gateway/cli/io.ts";
import { paintFor } from "../../../../gateway/cli/paint.ts";
import { drainDelayMs, urlOf } from "../../../../gateway/cli/serve.ts";

const plain = paintFor({ color: false });

const served: Served = {
  version: "1.2.3",
  configFile: "/etc/sluice.yaml",
  http: "http://127.0.0.1:8000",
  admin: "http://127.0.0.1:8002",
  grpc: "127.0.0.1:8001",
  models: [
    { name: "digits", versions: ["1", "2"] },
    { name: "iris", versions: ["1"] },
  ],
  waiting: [],
  notReady: [],
  example: { model: "iris", body: '{"inputs":[]}' },
};

describe("the banner", () => {
  it("says what is served, where, and how to try it", () => {
    expect(banner(served, plain)).toBe(`Sluice 1.2.3 serves 2 models at http://127.0.0.1:8000

  digits  versions 1, 2
  iris    version 1

  grpc     127.0.0.1:8001
  metrics  http://127.0.0.1:8002/metrics
  health   http://127.0.0.1:8002/readyz
  config   /etc/sluice.yaml

Try it:

curl -s http://127.0.0.1:8000/v2/models/iris/infer -H 'content-type: application/json' -d '{"inputs":[]}'
`);
  });

  it("says why a version is not ready", () => {
    const waiting = ['model "lost": backend "gone" has no model "lost" now (503)'];
    expect(banner({ ...served, waiting }, plain)).toContain(`\n  ${waiting[0]}\n`);
    const notReady = [{ name: "iris", version: "2", state: "unavailable", reason: "truncated" }] as const;
    expect(banner({ ...served, notReady }, plain)).toContain("\n  iris version 2 is unavailable: truncated\n");
  });

  it("of a gateway without models tries nothing", () => {
    const text = banner({ ...served, models: [], example: undefined, admin: undefined }, plain);
    expect(text).toBe(
      "Sluice 1.2.3 serves 0 models at http://127.0.0.1:8000\n\n  grpc     127.0.0.1:8001\n  config   /etc/sluice.yaml\n",
    );
  });
});

describe("the line to paste", () => {
  it("reaches a shell's command with its body unchanged, whatever is in it", () => {
    const body = `{"inputs":[{"data":["it's", "\\"$HOME\\" \`id\` \\\\ ; # 'x'"]}]}`;
    const line = curl("http://127.0.0.1:1", { model: "a b'c", body }).replace("curl", `printf '%s\\n'`);
    const args = execFileSync("/bin/sh", ["-c", line]).toString().trimEnd().split("\n");
    expect(args).toEqual([
      "-s",
      "http://127.0.0.1:1/v2/models/a%20b'c/infer",
      "-H",
      "content-type: application/json",
      "-d",
      body,
    ]);
  });
});

describe("an address as a URL", () => {
  it("is one that a client on this machine can use", () => {
    const hosts = ["127.0.0.1", "0.0.0.0", "::", "::1", "example.com"];
    expect(hosts.map((host) => urlOf({ host, port: 80 }))).toEqual([
      "http://127.0.0.1:80",
      "http://127.0.0.1:80",
      "http://[::1]:80",
      "http://[::1]:80",
      "http://example.com:80",
    ]);
  });
});

describe("colours", () => {
  it("are wanted on a terminal, unless the environment says otherwise", () => {
    expect(wantsColor({}, true)).toBe(true);
    expect(wantsColor({}, false)).toBe(false);
    expect(wantsColor({ NO_COLOR: "1" }, true)).toBe(false);
    expect(wantsColor({ NO_COLOR: "" }, true)).toBe(true);
    expect(wantsColor({ TERM: "dumb" }, true)).toBe(false);
    expect(wantsColor({ FORCE_COLOR: "1" }, false)).toBe(true);
    expect(wantsColor({ FORCE_COLOR: "0" }, true)).toBe(false);
    expect(wantsColor({ FORCE_COLOR: "1", NO_COLOR: "1" }, false)).toBe(false);
  });
});

describe("the drain delay", () => {
  it.each([
    [undefined, "SIGTERM", false, 5000],
    [undefined, "SIGTERM", true, 0],
    [undefined, "SIGINT", false, 0],
    [700, "SIGINT", true, 700],
    [0, "SIGTERM", false, 0],
  ] as const)(
    "is what the config says, else 5 s for a SIGTERM off a terminal: %j",
    (said, signal, terminal, expected) => {
      expect(drainDelayMs({ drainDelayMs: said }, { signal, terminal })).toBe(expected);
    },
  );
});
