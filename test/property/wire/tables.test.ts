// Tables and lines of JSON: what is written and read again is the same, whatever the tensors and slices.

import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { type Datatype, ELEMENT_BYTES, joinBytesElements, type Tensor } from "../../../core/tensor.ts";
import { decodeCsv, encodeCsv } from "../../../wire/csv.ts";
import { decodeJsonLines, encodeJsonLines } from "../../../wire/json-lines.ts";
import { runNow } from "../../../wire/sliced.ts";

const DATATYPES = [
  "BOOL",
  "INT8",
  "UINT8",
  "INT16",
  "UINT16",
  "INT32",
  "UINT32",
  "INT64",
  "UINT64",
  "FP32",
  "FP64",
  "BYTES",
] as const;

/** Tensors of the same rows; NaN only in its usual form, since a text has no others. */
const tensors = (datatypes: readonly Datatype[], rows: fc.Arbitrary<number>) =>
  rows.chain((count) =>
    fc
      .array(fc.tuple(fc.constantFrom(...datatypes), fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 4 })
      .chain((columns) =>
        fc.tuple(...columns.map(([datatype, width], i) => tensor(`t${i}`, datatype, [count, width]))),
      ),
  );

function tensor(name: string, datatype: Datatype, shape: readonly number[]): fc.Arbitrary<Tensor> {
  const count = shape.reduce((a, b) => a * b, 1);
  if (datatype === "BYTES") {
    return fc
      .array(fc.string({ unit: "binary", maxLength: 12 }), { minLength: count, maxLength: count })
      .map((values) => ({ name, datatype, shape, data: joinBytesElements(values.map((value) => Buffer.from(value))) }));
  }
  const width = ELEMENT_BYTES[datatype];
  return fc.uint8Array({ minLength: count * width, maxLength: count * width }).map((data) => {
    if (datatype === "BOOL") return { name, datatype, shape, data: data.map((byte) => byte & 1) };
    const view = new DataView(data.buffer, data.byteOffset);
    for (let i = 0; i < count; i++) {
      if (datatype === "FP32" && Number.isNaN(view.getFloat32(i * 4, true))) view.setFloat32(i * 4, Number.NaN, true);
      if (datatype === "FP64" && Number.isNaN(view.getFloat64(i * 8, true))) view.setFloat64(i * 8, Number.NaN, true);
    }
    return { name, datatype, shape, data };
  });
}

const plain = (each: Tensor) => ({ ...each, data: Buffer.from(each.data).toString("hex") });
const specs = (given: readonly Tensor[]) =>
  given.map(({ name, datatype, shape }) => ({ name, datatype, shape: [-1, ...shape.slice(1)] }));
const slice = fc.integer({ min: 1, max: 500 }).map((sliceBytes) => ({ sliceBytes }));

describe("a table", () => {
  const numbers = DATATYPES.filter((datatype) => datatype !== "BOOL");
  test("written and read by its signature is the same", () => {
    fc.assert(
      fc.property(tensors(numbers, fc.integer({ min: 1, max: 5 })), slice, (given, options) => {
        const body = Buffer.concat(runNow(encodeCsv(given, options)));
        const read = runNow(decodeCsv(body, { specs: specs(given), bareName: "y" }, options));
        expect(read.map(plain)).toEqual(given.map(plain));
      }),
      { seed: 11, numRuns: 100 },
    );
  });

  it.each([
    ["1,2\n3,4\n", "INT64", [2, 2]],
    ["1,2\r\n3,4", "INT64", [2, 2]],
    ["1.0\n2\n\n", "FP32", [2, 1]],
    ["nan, inf,-inf,.5,1.,+3,1e-3,007\n", "FP32", [1, 8]],
    ['a,"b,""c\n"\n1,2\n', "BYTES", [2, 2]],
    ["9223372036854775807\n", "INT64", [1, 1]],
  ])("%j without a signature is %s of %j", (body, datatype, shape) => {
    const [only] = runNow(decodeCsv(Buffer.from(body), { bareName: "y" }));
    expect([only?.datatype, only?.shape]).toEqual([datatype, shape]);
  });

  it("of a model of BOOL reads true and false as Python, R and JSON write them", () => {
    const specs = [{ name: "y", datatype: "BOOL", shape: [-1, 2] }] as const;
    const [only] = runNow(decodeCsv(Buffer.from("true,False\nTRUE,0\n1,false\n"), { specs, bareName: "y" }));
    expect([only?.shape, [...(only?.data ?? [])]]).toEqual([
      [3, 2],
      [1, 0, 1, 0, 1, 0],
    ]);
    const wrong = () => runNow(decodeCsv(Buffer.from("true,yes\n"), { specs, bareName: "y" }));
    expect(wrong).toThrow('column "y": expected true or false');
  });

  it.each([
    ["1,2\n3\n", "row 1: expected 2 cells, got 1"],
    ['"a\n', "malformed CSV: the quote at character 0 does not end"],
    ['"a"b\n', 'row 0: expected a comma or the end of the line after "'],
  ])("%j is refused", (body, message) => {
    expect(() => runNow(decodeCsv(Buffer.from(body), { bareName: "y" }))).toThrow(message);
  });

  it("with one digit wrong is told apart", () => {
    const given: Tensor = {
      name: "y",
      datatype: "INT64",
      shape: [1, 1],
      data: new Uint8Array(BigInt64Array.of(2n ** 62n).buffer),
    };
    const body = Buffer.concat(runNow(encodeCsv([given])));
    body[18] = body[18] === 0x30 ? 0x31 : 0x30;
    expect(runNow(decodeCsv(body, { specs: specs([given]), bareName: "y" })).map(plain)).not.toEqual([plain(given)]);
  });

  it("keeps empty texts and quotes what needs it", () => {
    const data = joinBytesElements(["", 'a"b', "c,d", "e\n"].map((text) => Buffer.from(text)));
    const given: Tensor = { name: "y", datatype: "BYTES", shape: [4, 1], data };
    const body = Buffer.concat(runNow(encodeCsv([given])));
    expect(body.toString()).toBe('""\n"a""b"\n"c,d"\n"e\n"\n');
    expect(runNow(decodeCsv(body, { specs: specs([given]), bareName: "y" })).map(plain)).toEqual([plain(given)]);
  });

  it("cannot hold what is no UTF-8", () => {
    const data = joinBytesElements([Uint8Array.of(0xff)]);
    expect(() => runNow(encodeCsv([{ name: "y", datatype: "BYTES", shape: [1], data }]))).toThrow("not UTF-8");
  });

  it("is refused where a cell is not its column's", () => {
    const known = { bareName: "y", specs: [{ name: "y", datatype: "INT32" as const, shape: [-1, 2] }] };
    expect(() => runNow(decodeCsv(Buffer.from("1,x\n"), known))).toThrow('column "y": expected an integer');
    expect(() => runNow(decodeCsv(Buffer.from("1,2.5\n"), known))).toThrow('column "y": expected an integer');
  });
});

describe("lines of JSON", () => {
  test("written and read by their signature are the same", () => {
    fc.assert(
      fc.property(tensors(DATATYPES, fc.integer({ min: 1, max: 5 })), slice, (given, options) => {
        const form = given.length === 1 ? "bare" : "named";
        const body = Buffer.concat(runNow(encodeJsonLines(given, form, options)));
        expect(body.filter((byte) => byte === 0x0a)).toHaveLength(given[0]!.shape[0]!);
        const many = {
          word: "output",
          label: "the answer",
          bareName: "y",
          maxTensors: 8,
          specs: specs(given),
        } as const;
        const read = runNow(decodeJsonLines(body, many, { ...options, maxNesting: 10 }));
        expect(read.map(plain)).toEqual(given.map(plain));
      }),
      { seed: 12, numRuns: 100 },
    );
  });

  const many = { word: "output", label: "the answer", bareName: "y", maxTensors: 8 } as const;
  it.each([
    ['{"a": 1}\n\n {"a": 2} \r\n', [["a", [2]]]],
    ["[1, 2]\n[3, 4]", [["y", [2, 2]]]],
  ])("%j are rows", (body, expected) => {
    const read = runNow(decodeJsonLines(Buffer.from(body), many, { maxNesting: 10 }));
    expect(read.map(({ name, shape }) => [name, shape])).toEqual(expected);
  });

  it.each(["", "\n", "1 2\n", '{"a":\n1}\n', "{\n"])("%j are refused", (body) => {
    expect(() => runNow(decodeJsonLines(Buffer.from(body), many, { maxNesting: 10 }))).toThrow(/expected/);
  });
});
