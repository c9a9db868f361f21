// What a user gets who installs the package in an empty folder: a command that serves, answers, checks and stops.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { type Answer, samplesAnswered } from "./answers.ts";
import { ROOT, readText } from "./files.ts";
import { modernPath, must, paste, type Running, run, start, userEnv } from "./shell.ts";

const tarball = inject("tarball");
const cwd = mkdtempSync(join(tmpdir(), "sluice-user-"));
const env = userEnv();
const place = { cwd, env };
afterAll(() => rmSync(cwd, { recursive: true }));

let running: Running | undefined;
afterEach(() => {
  running?.kill();
  running = undefined;
});

async function packed(): Promise<readonly string[]> {
  const listing = await must(`tar -tzf ${tarball}`, place);
  return listing
    .trim()
    .split("\n")
    .map((line) => line.replace(/^package\//, ""));
}

describe("the tarball", () => {
  test("holds the compiled gateway, the models and the papers, and nothing that only its makers need", async () => {
    const files = await packed();
    expect(files).toEqual(
      expect.arrayContaining([
        "bin/sluice.js",
        "dist/gateway/cli.js",
        "dist/gateway/main.d.ts",
        "dist/backends/onnx/worker.js",
        "config/sluice.yaml",
        "config/sluice.schema.json",
        "models/digits/1/model.onnx",
        "LICENSE",
        "CHANGELOG.md",
        "package.json",
      ]),
    );
    const tops = new Set(files.map((path) => path.split("/")[0]));
    const allowed = ["CHANGELOG.md", "LICENSE", "README.md", "bin", "config", "dist", "models", "package.json"];
    expect([...tops].filter((top) => !allowed.includes(top ?? ""))).toEqual([]);
    expect(files.filter((path) => /(?<!\.d)\.ts$|\.py$|requirements\.txt$|\.test\./.test(path))).toEqual([]);
  });
});

describe("installed in an empty folder", () => {
  beforeAll(async () => {
    await must(`npm install --prefer-offline --no-audit --no-fund ${tarball}`, place);
  });

  test("it serves the demo models, and answers the curl line that it prints", async () => {
    running = start("npx sluice serve --http 127.0.0.1:0 --grpc 127.0.0.1:0 --admin 127.0.0.1:0", place);
    const [curl] = await running.until(/^curl .*$/m, 60_000);
    expect(samplesAnswered(JSON.parse(await paste(curl, place)))).toHaveLength(1);

    const [, http] = await running.until(/ at (http:\S+)/, 1000);
    const sample = join(cwd, "node_modules", "sluice-gateway", "models", "add_sub", "samples");
    const sum = await fetch(`${http}/v2/models/add_sub/infer`, {
      method: "POST",
      body: readFileSync(join(sample, "count.json")),
    });
    expect(sum.status).toBe(200);
    expect(samplesAnswered((await sum.json()) as Answer)).toEqual(["count"]);
  });

  // not by npx, which leaves the gateway behind when it gets a SIGTERM itself
  test("its command stops at SIGTERM with code 0, on whatever Node it was started", async () => {
    running = start("node_modules/.bin/sluice serve --http 127.0.0.1:0 --grpc 127.0.0.1:0 --admin 127.0.0.1:0", place);
    const [, admin] = await running.until(/(http:\S+)\/readyz/, 60_000);
    expect((await fetch(`${admin}/readyz`)).status).toBe(200);
    const stopping = running.stop("SIGTERM");
    await expect.poll(async () => (await fetch(`${admin}/readyz`)).status, { timeout: 4000 }).toBe(503);
    expect((await stopping).code).toBe(0);
    await expect(fetch(`${admin}/readyz`)).rejects.toThrow();
  });

  test("it checks a config: the packaged one is right, and a broken one fails with every mistake", async () => {
    expect(await run("npx sluice check", place)).toMatchObject({ code: 0 });
    writeFileSync(join(cwd, "broken.yaml"), readFileSync(join(ROOT, "test", "fixtures", "broken.yaml")));
    const installed = await run("npx sluice check --config broken.yaml", place);
    expect(installed.code).toBe(1);
    const here = await run("node bin/sluice.js check --config test/fixtures/broken.yaml", { cwd: ROOT, env });
    expect(installed.out.split("\n").length).toBeGreaterThan(10);
    expect(installed.out).toBe(here.out.replaceAll("test/fixtures/", ""));
  });

  test("the README's program finds its code and its types, serves and stops", async () => {
    const folder = join(cwd, "embedding");
    mkdirSync(folder);
    const repository = join(cwd, "node_modules", "sluice-gateway", "models");
    const config = `listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}\ndrainDelay: 0s\nbackends: {local: {kind: onnx, repository: ${repository}}}\n`;
    writeFileSync(join(folder, "sluice.yaml"), config);
    const [, program = ""] = /^```ts\n(.*?)^```$/ms.exec(readText("README.md")) ?? [];
    expect(program).toContain("sluice-gateway");
    writeFileSync(join(folder, "embed.mts"), `${program}console.log(gateway.addresses.http?.port !== 8000);\n`);
    writeFileSync(join(folder, "wrong.mts"), `${program}export const wrong: number = gateway;\n`);

    const there = { cwd: folder, env: userEnv({ PATH: modernPath() }) };
    expect(await must("node embed.mts", there)).toBe("true\n");
    const types = `--types node --typeRoots ${join(ROOT, "node_modules", "@types")}`;
    const tsc = `${join(ROOT, "node_modules", ".bin", "tsc")} --noEmit --strict --module nodenext --target es2024 ${types}`;
    const { out } = await run(`${tsc} embed.mts wrong.mts`, there);
    const faults = out.trim().split("\n");
    expect(faults.map((line) => line.replace(/\(.*error (TS\d+).*/, " $1"))).toEqual(["wrong.mts TS2322"]);
  });
});
