import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readGraph } from "../../../../backends/onnx/graph.ts";
import { seededRandom } from "../../../support/fake-env.ts";

const FIXTURES = join(import.meta.dirname, "../../../fixtures/onnx");
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-graph-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("a graph", () => {
  it("tells the inputs that the binding hides", async () => {
    const graph = await readGraph(join(FIXTURES, "optional_input.onnx"));
    expect(graph.inputs).toEqual([
      { name: "x", datatype: "FP32", shape: [-1] },
      { name: "scale", datatype: "FP32", shape: [1] },
    ]);
    expect([...graph.defaults]).toEqual(["scale"]);
    expect([graph.irVersion, graph.opset]).toEqual([8, 17]);
  });

  it("tells a scalar from an unknown rank", async () => {
    const shapes = await Promise.all(
      ["scalar", "any_rank"].map(async (name) => (await readGraph(join(FIXTURES, `${name}.onnx`))).inputs[0]?.shape),
    );
    expect(shapes).toEqual([[], undefined]);
  });

  it("names the files beside it and how long they must be", async () => {
    const graph = await readGraph(join(FIXTURES, "external/model.onnx"));
    expect(graph.external).toEqual([{ location: "weights.bin", endsAt: 48 }]);
  });

  it("does not know a sequence's datatype", async () => {
    const graph = await readGraph(join(FIXTURES, "sequence_output.onnx"));
    expect(graph.outputs).toEqual([{ name: "y", datatype: undefined, shape: undefined }]);
  });

  it("steps over weights of any size without reading them", async () => {
    // a field 5 of the graph (an initialiser) with a raw_data (9) of 64 MiB: a file with a hole
    const size = 64 * 1024 * 1024;
    const varint = (value: number): number[] =>
      value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
    const raw = [0x42, 1, 0x77, 0x4a, ...varint(size)];
    const tensor = [0x2a, ...varint(raw.length + size), ...raw];
    const head = Buffer.from([0x08, 8, 0x42, 2, 0x10, 17, 0x3a, ...varint(tensor.length + size), ...tensor]);
    const path = join(folder, "large.onnx");
    await writeFile(path, head);
    const { truncate } = await import("node:fs/promises");
    await truncate(path, head.length + size);
    const graph = await readGraph(path);
    expect([...graph.defaults]).toEqual(["w"]);
  });

  it("of a file that was cut anywhere is refused", async () => {
    const whole = await readFile(join(FIXTURES, "add.onnx"));
    const path = join(folder, "cut.onnx");
    const taken: number[] = [];
    for (let length = 0; length < whole.length; length += 1) {
      await writeFile(path, whole.subarray(0, length));
      await readGraph(path).then(
        () => taken.push(length),
        (error: Error) => expect(error.message).toMatch(/the file (is empty|ends inside a field|holds no graph)/),
      );
    }
    expect(taken).toEqual([]);
  });

  it("is not found in what is no ONNX file, and random bytes end the search", async () => {
    const path = join(folder, "noise.onnx");
    for (const text of ["hello world", "<html></html>", "\u0000".repeat(100), "PK\u0003\u0004".repeat(50)]) {
      await writeFile(path, text);
      await expect(readGraph(path)).rejects.toThrow(/no ONNX model|ends inside|no graph/);
    }
  });

  it("of 500 damaged files is read or refused, and nothing else happens", async () => {
    const random = seededRandom(11);
    const whole = await readFile(join(FIXTURES, "slow.onnx"));
    const path = join(folder, "damaged.onnx");
    let refused = 0;
    for (let round = 0; round < 500; round += 1) {
      const damaged = Buffer.from(whole);
      for (let hit = 0; hit < 3; hit += 1) damaged[Math.floor(random() * whole.length)] = Math.floor(random() * 256);
      await writeFile(path, damaged);
      await readGraph(path).catch((error: unknown) => {
        refused += 1;
        expect((error as Error).message).toMatch(/^(no ONNX model|the file|graphs are nested)/);
      });
    }
    expect(refused).toBeGreaterThan(100);
  });
});

describe("a model that draws random numbers", () => {
  it.each([
    ["random", true],
    ["random_inside", true],
    ["slow", undefined],
    ["times_2", undefined],
  ])("is known by its operators, also those inside others: %s", async (name, random) => {
    expect((await readGraph(join(FIXTURES, `${name}.onnx`))).random).toBe(random);
  });
});
