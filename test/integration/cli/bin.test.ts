import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

const ROOT = new URL("../../../", import.meta.url).pathname;
const BIN = join(ROOT, "bin/sluice.js");
/** Makes the Node that runs the file say that it is an older one. */
const PRETEND_OLD = `data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.1.0"}})`;

let folder = "";
const children: ChildProcess[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-bin-"));
});
afterAll(async () => {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  await rm(folder, { recursive: true });
});

function start(args: readonly string[]) {
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  const texts = { out: "", err: "" };
  child.stdout.on("data", (data) => {
    texts.out += data;
  });
  child.stderr.on("data", (data) => {
    texts.err += data;
  });
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, ...texts }));
  return { child, texts, ended };
}

describe("bin/sluice.js", () => {
  it("runs the command line on a Node that is new enough", async () => {
    expect(await start([BIN, "--version"]).ended).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
    expect(await start([BIN, "bogus"]).ended).toMatchObject({
      code: 2,
      err: expect.stringContaining("unknown command"),
    });
  });

  it("on an older Node goes on with the one of the npm package node, its exit code included", async () => {
    expect(await start(["--import", PRETEND_OLD, BIN, "--version"]).ended).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+\./),
    });
    expect(await start(["--import", PRETEND_OLD, BIN, "bogus"]).ended).toMatchObject({ code: 2 });
  });

  it("on an older Node without that package says what is needed", async () => {
    await cp(BIN, join(folder, "bin/sluice.js"));
    await writeFile(join(folder, "package.json"), '{"type": "module"}');
    const { code, err } = await start(["--import", PRETEND_OLD, join(folder, "bin/sluice.js"), "--version"]).ended;
    expect([code, err]).toEqual([
      1,
      'sluice: expected Node 24 or newer, got 20.1.0 (install it from https://nodejs.org, or run "npm rebuild node" where npm blocked install scripts; npm 12 wants "npm install-scripts approve node" first)\n',
    ]);
  });

  it.each([
    ["itself", []],
    ["through an older Node", ["--import", PRETEND_OLD]],
  ])("serves until SIGTERM and exits 0: %s", async (_, before) => {
    const config = join(folder, "sluice.yaml");
    const listen = "listen: {http: '127.0.0.1:0', admin: '127.0.0.1:0'}\ndrainDelay: 0s\n";
    await writeFile(
      config,
      `${listen}backends: {local: {kind: onnx, repository: ${join(ROOT, "models")}, workers: 1}}\n`,
    );
    const { child, texts, ended } = start([...before, BIN, "serve"]);
    await vi.waitUntil(() => texts.out.includes("curl"), { timeout: 15_000, interval: 10 });
    const url = /at (http:\S+)/.exec(texts.out)?.[1];
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 0, signal: null, err: expect.stringContaining("stopped") });
  });
});
