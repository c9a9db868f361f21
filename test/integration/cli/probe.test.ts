// `sluice probe` as a person runs it, against answers recorded from the real servers; its output is a config.

import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { Probed } from "../../../backends/probe.ts";
import { loadConfig } from "../../../config/load.ts";
import { formatMistake } from "../../../config/mistakes.ts";
import { configLines } from "../../../gateway/cli/probe-config.ts";
import { main } from "../../../gateway/cli.ts";
import { kinds } from "../../../gateway/kinds.ts";
import { type RecordedServer, startRecorded } from "../../support/recorded.ts";
import { memoryIo } from "../../unit/gateway/cli/memory-io.ts";

const closing: RecordedServer[] = [];
afterEach(async () => {
  for (const server of closing.splice(0)) await server.close();
});

async function recorded(server: string): Promise<string> {
  const started = await startRecorded(server);
  closing.push(started);
  return started.url;
}

/** What the command writes, with the port as PORT. */
async function probed(...args: readonly string[]) {
  const io = memoryIo();
  const code = await main(["probe", ...args], io);
  const plain = (text: string) => text.replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT");
  return { code, out: plain(io.written()), err: plain(io.complained()), text: io.written() };
}

function mistakesIn(text: string): readonly string[] {
  const loaded = loadConfig({ text, file: "/sluice.yaml", env: {} }, kinds);
  return loaded.ok ? loaded.warnings : loaded.mistakes.map((mistake) => formatMistake(mistake, "sluice.yaml"));
}

const TRITON = `\
# triton 2.51.0 at http://127.0.0.1:PORT is of the kind triton over http
# - tensors go as binary
# - lists its models
# - loads and unloads models on demand
# - understands timeout and priority
# model add_sub, version 1
# - takes INPUT0 INT32 [-1,16]
# - takes INPUT1 INT32 [-1,16]
# - gives OUTPUT0 INT32 [-1,16]
# - gives OUTPUT1 INT32 [-1,16]
# - not tried: not asked for
# model nobody
# - signature not told: the server does not have it
# - not tried: it is not there

backends:
  triton:
    kind: triton
    protocol: http
    endpoints: ["http://127.0.0.1:PORT"]
models:
  add_sub:
    backend: triton
`;

describe("sluice probe", () => {
  it("prints what it found as comments above a config that sluice check accepts", async () => {
    const { code, out, err, text } = await probed(
      await recorded("triton"),
      "--no-run",
      "-m",
      "add_sub",
      "-m",
      "nobody",
    );
    expect([code, err]).toEqual([0, ""]);
    expect(out).toBe(TRITON);
    expect(mistakesIn(text)).toEqual([]);
  });

  it("asks a model, and says when the made-up input is refused", async () => {
    // the replaying server knows one question only, and answers every other with the same rows
    const { code, out } = await probed(await recorded("triton"), "--model", "add_sub");
    expect(code).toBe(0);
    expect(out).toContain("# - the same input twice gives the same bytes");
    expect(out).toContain('# - rows do not come out as they went in: 3 rows in, output "OUTPUT0" has shape [1,16]');
  });

  it.each([
    ["mlserver", "oip"],
    ["kserve", "oip"],
    ["bentoml", "bentoml"],
    ["litserve", "litserve"],
    ["torchserve", "torchserve"],
    ["tf-serving", "tf-serving"],
  ])("prints a config for %s that sluice check accepts, in JSON too", async (server, kind) => {
    const { code, out, text } = await probed(await recorded(server), "--no-run", "-H", "x-api-key: secret");
    expect(code).toBe(0);
    expect(out).toContain(`kind: ${kind}\n`);
    expect(out).toContain(`x-api-key: "\${PROBED_X_API_KEY:-}"`);
    expect(out).not.toContain("secret");
    expect(mistakesIn(text)).toEqual([]);
    const json = await probed(await recorded(server), "--no-run", "--json");
    const told = JSON.parse(json.text) as Probed & { readonly config: string };
    expect([told.kind, told.recognised]).toEqual([kind, true]);
    expect(mistakesIn(told.config)).toEqual([]);
  });

  it("puts a signature that it was told into the config", async () => {
    const words = "digits={inputs: [{name: image, datatype: FP32, shape: [-1, 64]}], outputs: []}";
    const { code, out, text } = await probed(await recorded("torchserve"), "--no-run", "-s", words);
    expect([code, mistakesIn(text)]).toEqual([0, []]);
    expect(out).toContain("# - takes image FP32 [-1,64]\n");
    expect(out).toContain(
      '    signature: {"inputs":[{"name":"image","datatype":"FP32","shape":[-1,64]}],"outputs":[]}\n',
    );
  });

  it.each([
    [["nonsense"], 2, /expected http:\/\/host:port, .* got "nonsense"/],
    [["http://127.0.0.1:1"], 1, /http:\/\/127\.0\.0\.1:PORT: the backend refused the connection/],
    [["grpc://127.0.0.1:1"], 1, /grpc:\/\/127\.0\.0\.1:PORT: no connection to the backend/],
    [["http://127.0.0.1:1", "-H", "no header"], 2, /--header: expected "name: value", got "no header"/],
    [["http://127.0.0.1:1", "-s", "m={inputs: 1}"], 2, /--signature: expected model=/],
  ])("says what is wrong with %j", async (args, code, said) => {
    const result = await probed(...args);
    expect([result.code, result.out]).toEqual([code, ""]);
    expect(result.err).toMatch(said);
  });

  it("prints a right config whatever the models are called", () => {
    const name = fc.string({
      minLength: 1,
      maxLength: 20,
      unit: fc.oneof(
        fc.constantFrom(..."ay1 :#{}$/\"'-.~"),
        fc.string({ minLength: 1, maxLength: 1, unit: "grapheme" }),
      ),
    });
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 4 }), (names) => {
        const models = names.map((one) => ({ name: one, versions: [{ version: "1", state: "ready" as const }] }));
        const found = { kind: "litserve", endpoint: "http://a:1", words: {}, server: "", recognised: true, quirks: [] };
        const text = configLines({ ...found, models }, { headers: [], signatures: new Map() }).join("\n");
        const loaded = loadConfig({ text, file: "/sluice.yaml", env: {} }, kinds);
        if (!loaded.ok) throw new Error(loaded.mistakes.map((one) => formatMistake(one, text)).join("\n"));
        const there = loaded.config.models?.map(({ runs }) => (runs.by === "backend" ? runs.target.model : undefined));
        expect([...(there ?? [])].sort()).toEqual([...names].sort());
      }),
      { numRuns: 300, seed: 7 },
    );
  });
});
