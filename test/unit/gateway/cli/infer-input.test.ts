import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { TensorSpec } from "../../../../core/model.ts";
import type { Datatype } from "../../../../core/tensor.ts";
import { readScale, readTarget } from "../../../../gateway/cli/infer.ts";
import { fitShape, prepare, readGiven } from "../../../../gateway/cli/infer-input.ts";
import { valuesOf } from "../../../../gateway/cli/values.ts";
import { memoryIo } from "./memory-io.ts";

const SAMPLES = new URL("../../../../models/digits/samples/", import.meta.url).pathname;

const spec = (name: string, datatype: Datatype, shape: readonly number[]): TensorSpec => ({ name, datatype, shape });

async function read(given: readonly string[], specs: readonly TensorSpec[], scale = 1) {
  const prepared = await prepare(given, { io: memoryIo(), specs, scale });
  if (prepared.kind === "body") return Buffer.from(prepared.body).toString();
  return prepared.inputs.map((tensor) => [tensor.name, tensor.datatype, tensor.shape, valuesOf(tensor, 99)]);
}

describe("what stands after --input", () => {
  const specs = [spec("a", "FP32", [1]), spec("b", "BYTES", [1])];

  it.each([
    ["@x.json", { name: undefined, from: { file: "x.json" } }],
    ["a=@x.json", { name: "a", from: { file: "x.json" } }],
    ["a=[1]", { name: "a", from: { text: "[1]" } }],
    ["[1]", { name: undefined, from: { text: "[1]" } }],
    ["b=c=d", { name: "b", from: { text: "c=d" } }],
    ["1 + 1 = 2", { name: undefined, from: { text: "1 + 1 = 2" } }],
  ])("%s is read", (text, expected) => {
    expect(readGiven(text, specs)).toEqual(expected);
  });

  it("names an input of the model, where it names a file", () => {
    expect(() => readGiven("c=@x", specs)).toThrow('expected an input of the model (a, b), got "c"');
  });
});

describe("an input", () => {
  it("of JSON takes the input's name, datatype and shape", async () => {
    expect(await read(["[[5.5, 1, 2, 3]]"], [spec("x", "FP32", [-1, 4])])).toEqual([
      ["x", "FP32", [1, 4], [5.5, 1, 2, 3]],
    ]);
  });

  it("of 64-bit integers stays exact", async () => {
    expect(await read(["[9007199254740993]"], [spec("x", "INT64", [-1])])).toEqual([
      ["x", "INT64", [1], [9007199254740993n]],
    ]);
  });

  it.each([
    ["5", [-1], [1]],
    ["[1,2,3,4]", [-1, 4], [1, 4]],
    ["[1,2,3,4,5,6,7,8]", [-1, 4], [2, 4]],
    ["[1,2,3,4,5,6]", [-1, -1], [1, 6]],
    ["[1,2,3,4]", [1, 2, 2], [1, 2, 2]],
    ["[[1,2],[3,4]]", [-1, 2, 2], [1, 2, 2]],
    ["[[1,2],[3,4]]", [-1, 2], [2, 2]],
    ["3", [], []],
    ["[]", [-1], [0]],
  ])("of JSON %s fits the shape [%j] as %j", async (text, wanted, shape) => {
    const [first] = (await read([text], [spec("x", "FP32", wanted)])) as unknown[][];
    expect(first?.[2]).toEqual(shape);
  });

  it.each([
    ["[1,2,3]", [-1, 4], "expected data of shape [-1,4], got [3]"],
    ["[[1,2]]", [-1, -1, -1, 2], "expected data of shape [-1,-1,-1,2], got [1,2]"],
    ["[1,2,3]", [], "expected data of shape [], got [3]"],
  ])("of JSON %s that leaves its shape open is refused", (text, wanted, message) => {
    const given = JSON.parse(text);
    const shape = Array.isArray(given[0]) ? [given.length, given[0].length] : [given.length];
    expect(() => fitShape(shape, spec("x", "FP32", wanted))).toThrow(`input "x": ${message}`);
  });

  it("that is no JSON is refused where numbers are wanted", async () => {
    await expect(read(["one"], [spec("x", "FP32", [1])])).rejects.toThrow(
      'input "x": expected JSON such as [1, 2], or @file, got "one"',
    );
  });

  it("of a value that the datatype cannot hold is refused by the codec, by name", async () => {
    await expect(read(["[300]"], [spec("x", "UINT8", [1])])).rejects.toThrow(
      /^input "x": expected an integer in UINT8/,
    );
  });

  it("of text is one element as it stands, or JSON texts", async () => {
    const text = [spec("text", "BYTES", [-1])];
    expect(await read(["Guten Tag, {}"], text)).toEqual([["text", "BYTES", [1], ["Guten Tag, {}"]]]);
    expect(await read(["5"], text)).toEqual([["text", "BYTES", [1], ["5"]]]);
    expect(await read(['["a", "b"]'], text)).toEqual([["text", "BYTES", [2], ["a", "b"]]]);
  });

  it("from a file of an image, of NumPy or of JSON is the same tensor", async () => {
    const specs = [spec("image", "FP32", [-1, 1, 8, 8])];
    const [json] = JSON.parse(readFileSync(`${SAMPLES}three.json`, "utf8")).inputs;
    const expected = [["image", "FP32", [1, 1, 8, 8], json.data]];
    expect(await read([`@${SAMPLES}three.npy`], specs)).toEqual(expected);
    const [[, , shape, values]] = (await read([`@${SAMPLES}three.png`], specs, 16 / 255)) as [
      [string, string, number[], number[]],
    ];
    expect([shape, values.map((value) => Math.round(value))]).toEqual([[1, 1, 8, 8], json.data]);
  });

  it("from a file of a whole request goes as it is", async () => {
    expect(await read([`@${SAMPLES}three.json`], [spec("image", "FP32", [-1, 1, 8, 8])])).toBe(
      readFileSync(`${SAMPLES}three.json`, "utf8"),
    );
  });

  it("of NumPy in another datatype is refused, not converted", async () => {
    await expect(read([`@${SAMPLES}three.npy`], [spec("image", "FP64", [-1, 1, 8, 8])])).rejects.toThrow(
      `${SAMPLES}three.npy: expected FP64, as input "image" has it, got FP32 (numpy's astype)`,
    );
  });

  it("that is a picture goes as bytes where the model wants bytes", async () => {
    const prepared = await prepare([`@${SAMPLES}three.png`], {
      io: memoryIo(),
      specs: [spec("raw", "BYTES", [1])],
      scale: 1,
    });
    const file = readFileSync(`${SAMPLES}three.png`);
    expect(prepared.kind === "tensors" && Buffer.from(prepared.inputs[0]!.data.subarray(4))).toEqual(file);
  });

  it("from a file that is not there is refused by name", async () => {
    await expect(read(["@nowhere.json"], [spec("x", "FP32", [1])])).rejects.toThrow(
      "expected a file that can be read, got nowhere.json: it does not exist",
    );
  });
});

describe("several inputs", () => {
  const specs = [spec("INPUT0", "INT32", [-1, 2]), spec("INPUT1", "INT32", [-1, 2])];

  it("each have their name", async () => {
    expect(await read(["INPUT1=[3,4]", "INPUT0=[1,2]"], specs)).toEqual([
      ["INPUT1", "INT32", [1, 2], [3, 4]],
      ["INPUT0", "INT32", [1, 2], [1, 2]],
    ]);
  });

  it("cannot go without", async () => {
    await expect(read(["[1,2]"], specs)).rejects.toThrow(
      "expected the name of each input, as the model has 2: --input INPUT0=... --input INPUT1=...",
    );
  });

  it("cannot stand beside a whole request", async () => {
    await expect(read([`@${SAMPLES}three.json`, "INPUT0=[1,2]"], specs)).rejects.toThrow(
      "expected one whole request, or inputs one by one, got both",
    );
  });
});

describe("words of the command", () => {
  it("name a model, or a version of it", () => {
    expect(readTarget("digits")).toEqual({ name: "digits" });
    expect(readTarget("digits:2")).toEqual({ name: "digits", version: "2" });
    expect(readTarget("a:b")).toEqual({ name: "a:b" });
    expect(readTarget(":2")).toEqual({ name: ":2" });
  });

  it("give a scale as a number or a fraction", () => {
    expect([undefined, "2", "16/255", "0.5", "1e-3", "-1"].map(readScale)).toEqual([1, 2, 16 / 255, 0.5, 0.001, -1]);
    for (const text of ["", "x", "1/0", "1/", "/2", "1/2/3"]) {
      expect(() => readScale(text)).toThrow(
        `--scale: expected a number or a fraction such as 16/255, got ${JSON.stringify(text)}`,
      );
    }
  });
});
