// Which files make a model: weights beside it, flat files, links, and the inputs that warm it up.

import { cp, mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OnnxSeams } from "../../../backends/onnx/onnx.ts";
import {
  FIXTURES,
  floats,
  int64,
  openBackend,
  openRepository,
  type TestBackend,
  type TestRepository,
  texts,
} from "../../support/onnx-repository.ts";
import { openWatched, states, times, type Watched } from "../../support/onnx-watched.ts";

let repository: TestRepository;
const opened: TestBackend[] = [];
beforeEach(async () => {
  repository = await openRepository();
});
afterEach(async () => {
  for (const test of opened.splice(0)) await test.backend.close();
  await repository.close();
});

async function open(options: Readonly<Record<string, unknown>> = {}, seams: OnnxSeams = {}): Promise<Watched> {
  const test = await openWatched(repository.root, options, seams);
  opened.push(test);
  return test;
}

describe("files beside the model", () => {
  it("count, and the hash knows them", async () => {
    await cp(join(FIXTURES, "external"), join(repository.root, "m/1"), { recursive: true });
    const test = await open();
    const ask = async () => floats(await test.ask("m", [int64("row", [0])]));
    expect(await ask()).toEqual([0, 1, 2, 3]);
    const before = await test.backend.metadata({ name: "m" }, AbortSignal.timeout(1000));
    // in place, under a session in use: its answers stay, until the change is loaded
    await repository.write("m/1/weights.bin", new Uint8Array(0));
    expect(await ask()).toEqual([0, 1, 2, 3]);
    await repository.write("m/1/weights.bin", new Uint8Array(new Float32Array(12).fill(7).buffer));
    test.changed();
    while ((await ask())[0] !== 7) await new Promise((resolve) => setImmediate(resolve));
    const after = await test.backend.metadata({ name: "m" }, AbortSignal.timeout(1000));
    expect(after.artifact).not.toBe(before.artifact);
  });

  it("that are missing or too short are named", async () => {
    await cp(join(FIXTURES, "external/model.onnx"), join(repository.root, "m/1/model.onnx"));
    await cp(join(FIXTURES, "external"), join(repository.root, "n/1"), { recursive: true });
    await repository.write("n/1/weights.bin", new Uint8Array(20));
    expect(states(await open())).toEqual([
      'm 1 unavailable external data "weights.bin" is missing',
      'n 1 unavailable external data "weights.bin": 48 bytes are needed, it has 20',
    ]);
  });

  it("and folders must not lead out of the repository", async () => {
    const outside = await openRepository();
    await outside.put("m", "1", "times_1");
    await repository.put("good", "1", "times_1");
    await symlink(join(outside.root, "m"), join(repository.root, "linked"));
    await mkdir(join(repository.root, "version"));
    await symlink(join(outside.root, "m/1"), join(repository.root, "version/1"));
    await mkdir(join(repository.root, "file/1"), { recursive: true });
    await symlink(join(outside.root, "m/1/model.onnx"), join(repository.root, "file/1/model.onnx"));
    // the same length, so that the protobuf's own lengths stay right
    const model = await readFile(join(FIXTURES, "external/model.onnx"));
    const away = Buffer.from(model.toString("latin1").replace("weights.bin", "../../w.bin"), "latin1");
    await repository.write("data/1/model.onnx", away);
    const test = await open();
    expect(states(test)).toEqual([
      'data 1 unavailable external data "../../w.bin" leads out of the model\'s folder',
      "file 1 unavailable it leads out of the repository",
      "good 1 ready",
      "version 1 unavailable it leads out of the repository",
    ]);
    expect(JSON.stringify(test.lines)).toContain("linked leads out of the repository");
    await outside.close();
  });
});

describe("names", () => {
  it("flat files are version 1, folders that are no versions are passed over", async () => {
    await cp(join(FIXTURES, "times_2.onnx"), join(repository.root, "flat.onnx"));
    await repository.put("m", "1", "times_1");
    await repository.put("m", "01", "times_3");
    await repository.put("m", "next", "times_3");
    await repository.write("samples/readme.txt", "no model");
    await repository.write(".hidden/1/model.onnx", "no model");
    await repository.write("notes.onnx.txt", "no model");
    await cp(join(FIXTURES, "times_3.onnx"), join(repository.root, "m.onnx"));
    const test = await open();
    expect(states(test)).toEqual(["flat 1 ready", "m 1 ready"]);
    expect([await times(test, "flat"), await times(test, "m")]).toEqual([20, 10]);
    expect(JSON.stringify(test.lines)).toContain("m.onnx stands beside the folder m, which is served");
  });

  it("a repository that is not there is a mistake of the config", async () => {
    await expect(openBackend(join(repository.root, "nowhere"))).rejects.toMatchObject({
      code: "invalid-argument",
      message: expect.stringMatching(/^backend "local": no repository at .*nowhere$/),
    });
  });
});

describe("warm-up", () => {
  it("runs declared requests before the version is ready, and one that fails keeps it from being ready", async () => {
    await repository.put("good", "1", "gather");
    await repository.write("good/warm.json", '{"inputs":[{"name":"index","datatype":"INT64","shape":[1],"data":[3]}]}');
    await repository.write("good/config.yaml", "warmUp: [warm.json]\n");
    await repository.put("bad", "1", "gather");
    await repository.write("bad/warm.json", '{"inputs":[{"name":"index","datatype":"INT64","shape":[1],"data":[9]}]}');
    await repository.write("bad/config.yaml", "warmUp: [warm.json]\n");
    await repository.put("wrong", "1", "gather");
    await repository.write("wrong/config.yaml", "warmUp: [missing.json]\n");
    const test = await open();
    const [bad, good, wrong] = states(test);
    expect(good).toBe("good 1 ready");
    expect(bad).toMatch(/^bad 1 unavailable warm-up: .*idx=9/);
    expect(wrong).toMatch(/^wrong 1 unavailable warm-up missing.json: ENOENT/);
  });

  it("with zeros that do not suit the model only warns", async () => {
    await repository.put("m", "1", "divide");
    const test = await open();
    expect(states(test)).toEqual(["m 1 ready"]);
    expect(test.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  });

  it("of a model of texts runs too", async () => {
    await repository.put("m", "1", "nul_output");
    const test = await open();
    expect((await test.ask("m", [texts("x", ["a"])])).outputs[0]?.shape).toEqual([2]);
    expect(test.lines.filter(({ level }) => level === "warn")).toEqual([]);
  });
});
