import { describe, expect, it } from "vitest";
import { type Datatype, joinBytesElements, type Tensor } from "../../../../core/tensor.ts";
import { answerText, percent } from "../../../../gateway/cli/answer.ts";
import { bar, paintFor, printable, table } from "../../../../gateway/cli/paint.ts";
import { beside, picture } from "../../../../gateway/cli/picture.ts";
import { argmax, valuesOf, valueText } from "../../../../gateway/cli/values.ts";
import { memoryIo } from "./memory-io.ts";

const plain = paintFor({ color: false });
const bytes = (view: ArrayBufferView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const tensor = (datatype: Datatype, shape: readonly number[], data: Uint8Array): Tensor => ({
  name: "y",
  datatype,
  shape,
  data,
});
const floats = (shape: readonly number[], ...values: number[]) =>
  tensor("FP32", shape, bytes(Float32Array.from(values)));

describe("values", () => {
  it.each([
    ["BOOL", Uint8Array.of(0, 1), [false, true]],
    ["UINT8", Uint8Array.of(255), [255]],
    ["INT8", Int8Array.of(-1), [-1]],
    ["UINT16", Uint16Array.of(65_535), [65_535]],
    ["INT16", Int16Array.of(-32_768), [-32_768]],
    ["UINT32", Uint32Array.of(2 ** 32 - 1), [2 ** 32 - 1]],
    ["INT32", Int32Array.of(-(2 ** 31)), [-(2 ** 31)]],
    ["UINT64", BigUint64Array.of(2n ** 64n - 1n), [2n ** 64n - 1n]],
    ["INT64", BigInt64Array.of(-(2n ** 63n)), [-(2n ** 63n)]],
    ["FP16", Float16Array.of(0.5), [0.5]],
    ["BF16", Uint16Array.of(0x3f80, 0xc000), [1, -2]],
    ["FP32", Float32Array.of(0.25), [0.25]],
    ["FP64", Float64Array.of(0.1), [0.1]],
  ] as const)("of %s are exact", (datatype, array, expected) => {
    const one = tensor(datatype, [expected.length], bytes(array));
    expect(valuesOf(one, 9)).toEqual(expected);
    // at any offset
    const shifted = new Uint8Array(one.data.length + 1);
    shifted.set(one.data, 1);
    expect(valuesOf({ ...one, data: shifted.subarray(1) }, 9)).toEqual(expected);
  });

  it("of BYTES are texts", () => {
    const data = joinBytesElements([Buffer.from("a"), Buffer.from("ö")]);
    expect(valuesOf(tensor("BYTES", [2], data), 9)).toEqual(["a", "ö"]);
    expect(valuesOf(tensor("BYTES", [2], data), 1)).toEqual(["a"]);
  });

  it("are printed with the digits that a float32 holds", () => {
    expect([Math.fround(0.1), 3, 1e-20, Number.NaN, 5n, "a\n", true].map(valueText)).toEqual([
      "0.1",
      "3",
      "1e-20",
      "NaN",
      "5",
      '"a\\n"',
      "true",
    ]);
  });

  it("have their largest found, the first of equals", () => {
    expect([argmax([1, 3, 3, 2]), argmax([-5]), argmax([])]).toEqual([1, 0, 0]);
  });
});

describe("an answer", () => {
  it("shows each output with its datatype, shape and values", () => {
    const outputs = [tensor("INT64", [2], bytes(BigInt64Array.of(7n, -1n))), floats([], 1.5)];
    expect(answerText(outputs, plain)).toBe("y INT64 [2]  7 -1\ny FP32 []  1.5\n");
  });

  it("draws probabilities as bars and marks the largest", () => {
    expect(answerText([floats([1, 3], 0.25, 0.5, 0.25)], plain)).toBe(
      ["y FP32 [1,3]", "  0  25.00% █████", "  1  50.00% ██████████ <-", "  2  25.00% █████", ""].join("\n"),
    );
  });

  it("draws at most five rows, and says how many it leaves out", () => {
    const rows = Array.from({ length: 7 }, () => [1, 0]).flat();
    const text = answerText([floats([7, 2], ...rows)], plain);
    expect(text.match(/row \d/g)).toEqual(["row 0", "row 1", "row 2", "row 3", "row 4"]);
    expect(text).toMatch(/ {2}\.\.\. 2 more rows\n$/);
  });

  it("draws the best five of many classes", () => {
    const many = Array.from({ length: 24 }, (_, i) => (i === 23 ? 0.54 : 0.02));
    const lines = answerText([floats([1, 24], ...many)], plain).split("\n");
    expect(lines).toHaveLength(8);
    expect(lines[1]).toBe("  23  54.00% ██████████▊ <-");
    expect(lines[6]).toBe("  ... 19 smaller ones");
  });

  it.each([
    ["that do not add up to 1", floats([1, 2], 0.5, 0.2)],
    ["below 0", floats([1, 2], -0.5, 1.5)],
    ["that are not a number", floats([1, 2], Number.NaN, 1)],
    ["of three dimensions", floats([1, 1, 2], 0.5, 0.5)],
  ])("draws no bars for values %s", (_, output) => {
    expect(answerText([output], plain)).not.toContain("%");
  });

  it("is cut short beyond 20 values and says so, and says when there are none", () => {
    const text = answerText(
      [tensor("UINT8", [25], new Uint8Array(25)), tensor("UINT8", [0, 3], new Uint8Array(0))],
      plain,
    );
    expect(text).toBe(`y UINT8 [25]  ${Array(20).fill("0").join(" ")} ... 5 more\ny UINT8 [0,3]  (empty)\n`);
  });

  it("cannot move the cursor of a terminal", () => {
    const evil = tensor("BYTES", [1], joinBytesElements([Buffer.from("\u001b[2J")]));
    expect(answerText([{ ...evil, name: "\u001b]0;x" }], plain)).not.toContain("\u001b");
    expect(printable("a\u001bb\u009bc\nd\te")).toBe("a\uFFFDb\uFFFDc\nd\te");
  });
});

describe("drawings", () => {
  it("are bars in eighths of a column", () => {
    expect([0, 1, 0.5, 0.0625, 2, -1].map((share) => bar(share, 2))).toEqual(["", "██", "█", "▏", "██", ""]);
    expect([0.875, 0.4375].map((share) => bar(share, 1))).toEqual(["▉", "▌"]);
  });

  it("are percentages of one width", () => {
    expect([0, 0.987, 1].map(percent)).toEqual(["  0.00%", " 98.70%", "100.00%"]);
  });

  it("are pictures in five shades, two characters a pixel", () => {
    expect(picture([0, 4, 8, 12, 16, 99], { width: 3, most: 16 })).toEqual(["  ░░▒▒", "▓▓████"]);
    expect(beside(["ab", "cd"], ["x"], 4)).toBe("ab  x\ncd");
  });
});

describe("a table", () => {
  const rows = [
    ["digits", "1, 2"],
    ["iris", "1\n2"],
  ];

  it("has aligned columns and a heading on a terminal", () => {
    expect(table(memoryIo({ terminal: true }), ["model", "versions"], rows)).toBe(
      "model   versions\ndigits  1, 2\niris    1\n        2\n",
    );
  });

  it("is plain lines with tabs elsewhere", () => {
    expect(table(memoryIo(), ["model", "versions"], rows)).toBe("digits\t1, 2\niris\t1 2\n");
  });
});
