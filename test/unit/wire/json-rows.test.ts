// The JSON of row protocols: what is found out, what is refused and where, and how it is written.

import { describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import { joinBytesElements, type Tensor } from "../../../core/tensor.ts";
import { type ReadMany, type RowSpec, readColumns, readRows, readValue } from "../../../wire/json-rows.ts";
import { type WriteRows, writeColumns, writeRows, writeValue } from "../../../wire/json-rows-write.ts";
import { openScanner } from "../../../wire/json-scan.ts";
import { finishWriter, openWriter } from "../../../wire/json-write.ts";
import { openPace, runNow, type Sliced } from "../../../wire/sliced.ts";
import { numbers, texts } from "../../support/kind-door.ts";

const MANY: ReadMany = { word: "input", label: "instances", depth: 1, bareName: "x", maxTensors: 3 };
const scanner = (text: string) => openScanner(Buffer.from(text), { maxNesting: 8, sliceBytes: 5 });
const hex = (tensor: Tensor) => [tensor.name, tensor.datatype, tensor.shape, Buffer.from(tensor.data).toString("hex")];
const rows = (text: string, more: Partial<ReadMany> = {}) => runNow(readRows(scanner(text), { ...MANY, ...more }));
const columns = (text: string, more: Partial<ReadMany> = {}) =>
  runNow(readColumns(scanner(text), { ...MANY, ...more }));
const value = (text: string, spec: RowSpec = { name: "x" }) =>
  runNow(readValue(scanner(text), { spec, label: 'input "x"', depth: 0 }));

function refused(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof InferError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error("expected a refusal");
}

describe("without a signature", () => {
  test.each([
    ["[1, -2]", "INT64", [2], "0100000000000000feffffffffffffff"],
    ["[9007199254740993]", "INT64", [1], "0100000000002000"],
    ["[[1, 2], [3, 4.5]]", "FP32", [2, 2], "0000803f000000400000404000009040"],
    ["[1e2]", "FP32", [1], "0000c842"],
    ["[1, NaN, -Infinity]", "FP32", [3], "0000803f0000c07f000080ff"],
    ["[true, false]", "BOOL", [2], "0100"],
    ['["a", {"b64": "AP8="}, "\\u00e9"]', "BYTES", [3], "01000000610200000000ff02000000c3a9"],
    ['[{"b64": "-_\\/+"}]', "BYTES", [1], "03000000fbfffe"],
    ["[[], []]", "FP32", [2, 0], ""],
    ["7", "INT64", [], "0700000000000000"],
    ['{"b64": ""}', "BYTES", [], "00000000"],
  ])("%s is %s of shape %j", (text, datatype, shape, data) => {
    expect(hex(value(text))).toEqual(["x", datatype, shape, data]);
  });

  test.each([
    ["[9223372036854775808]", "an integer in INT64's range"],
    ['[1, "a"]', 'got "a"'],
    ["[null]", "expected a number, a string, true or false at data[0], got null"],
    ["[[1, 2], [3]]", "shape [?,2] needs 2 items in data[1], got 1"],
    ["[[1, 2], 3]", "expected [ at data[1], got 3"],
    ["[1, [2]]", "at data[1], got ["],
    ["[[], [1]]", "shape [?,0] needs 0 items in data[1], got 1"],
    ["[[[[[[[[[1]]]]]]]]]", "nested deeper than 8"],
    ['["\\ud800"]', "lone surrogate"],
    ['[{"b64": "A"}]', "is not base64"],
    ['[{"b64": "AA=A"}]', "expected base64"],
    ['[{"b64": "AAA=", "c": 1}]', "expected }"],
    ['[{"c": 1}]', 'expected a string or {"b64": "..."} at data[0]'],
  ])("%s is refused", (text, words) => {
    expect(refused(() => value(text))).toContain(words);
    expect(refused(() => value(text))).toMatch(/^invalid-argument: /);
  });
});

describe("with a signature", () => {
  test("a value takes its datatype, and its shape is held to it", () => {
    expect(hex(value("[[1], [2]]", { name: "x", datatype: "FP64", shape: [-1, 1] }))).toEqual(
      hex(numbers("x", "FP64", [2, 1], [1, 2])),
    );
    expect(value("[]", { name: "x", datatype: "FP32", shape: [-1, 4] }).shape).toEqual([0, 4]);
    const wrong = (text: string, spec: Partial<RowSpec>) => refused(() => value(text, { name: "x", ...spec }));
    expect(wrong("[[1, 2]]", { datatype: "FP32", shape: [-1, 3] })).toContain(
      "shape [?,3] needs 3 items in data[0], got 2",
    );
    expect(wrong("[1]", { datatype: "FP32", shape: [-1, 1] })).toContain("expected [ at data[0], got 1");
    expect(wrong("[1.5]", { datatype: "INT32" })).toContain("an integer in INT32's range");
    expect(wrong("[300]", { datatype: "UINT8" })).toContain("range [0, 255]");
    expect(wrong("[1e39]", { datatype: "FP32" })).toContain("FP32's range");
    expect(wrong("[1]", { datatype: "FP16" })).toBe(
      'unsupported: input "x": FP16 has no JSON form in this protocol; the Open Inference Protocol\'s binary form carries it',
    );
  });

  const specs: readonly RowSpec[] = [
    { name: "a", datatype: "FP32", shape: [-1, 2] },
    { name: "b", datatype: "INT64", shape: [-1] },
    { name: "c", datatype: "BYTES", shape: [-1], optional: true },
  ];

  test("rows give a tensor for each name, in the signature's order", () => {
    const read = rows('[{"b": 1, "a": [1, 2]}, {"a": [3, 4], "b": 9007199254740993}]', { specs });
    expect(read.form).toBe("named");
    expect(read.tensors.map(hex)).toEqual([
      hex(numbers("a", "FP32", [2, 2], [1, 2, 3, 4])),
      ["b", "INT64", [2], "01000000000000000100000000002000"],
    ]);
    expect(rows("[]", { specs }).tensors.map(({ shape }) => shape)).toEqual([[0, 2], [0], [0]]);
    expect(rows("[[1, 2]]", { specs: specs.slice(0, 1) })).toMatchObject({ form: "bare", tensors: [{ name: "a" }] });
  });

  test("columns have first dimensions of their own", () => {
    const read = columns('{"b": [1, 2, 3], "a": [[1, 2]], "more": {"x": [null]}}', { specs, extra: "skip" });
    expect(read.tensors.map(({ name, shape }) => [name, shape])).toEqual([
      ["a", [1, 2]],
      ["b", [3]],
    ]);
    expect(columns("[[1, 2]]", { specs: specs.slice(0, 1) })).toMatchObject({ form: "bare", tensors: [{ name: "a" }] });
    expect(columns('{"b64": [1]}', { specs: [{ name: "b64" }] })).toMatchObject({
      form: "named",
      tensors: [{ name: "b64" }],
    });
  });

  test.each([
    ['[{"a": [1, 2]}]', 'instances[0]: expected input "b", got none'],
    ['[{"a": [1, 2], "b": 1}, {"a": [1, 2]}]', 'instances[1]: expected input "b", got none'],
    ['[{"a": [1, 2], "b": 1}, 5]', "instances[1]: expected an object, got 5"],
    ['[{"a": [1, 2], "b": 1, "z": 1}]', 'instances[0]: expected inputs a, b, c, got "z"'],
    ['[{"a": [1, 2], "b": 1}, {"a": [1, 2], "b": 1, "c": "x"}]', 'instances[1]: expected inputs a, b, c, got "c"'],
    ['[{"a": [1, 2], "a": [1, 2]}]', 'instances[0]: "a" stands twice'],
    ['[{"a": [1], "b": 1}]', 'shape [2] needs 2 items in instances[0]["a"], got 1'],
    ['[{"a": [1, 2], "b": [1]}]', "expected an element"],
    ["[[1, 2]]", "instances: expected inputs by name (a, b, c), got bare values"],
    ['{"a": 1}', "instances: expected a list, got {"],
  ])("rows %s are refused", (text, words) => {
    expect(refused(() => rows(text, { specs }))).toContain(words);
  });

  test("more names than are taken are refused", () => {
    expect(refused(() => columns('{"a": 1, "b": 1, "c": 1, "d": 1}'))).toContain("at most 3 names");
  });
});

describe("writing", () => {
  const HOW: WriteRows = { word: "output", pace: openPace({}), form: "named" };
  const text = (write: (w: ReturnType<typeof openWriter>) => Sliced<void>) => {
    const w = openWriter();
    runNow(write(w));
    return Buffer.concat(finishWriter(w).parts).toString();
  };
  const a = numbers("a", "FP32", [2, 2], [1, 2.5, -0, 16777216]);
  const b = numbers("b", "INT64", [2], [-1, 2 ** 53]);

  test("rows, columns and values are nested as their shapes say", () => {
    expect(text((w) => writeRows(w, [a, b], HOW))).toBe(
      '[{"a":[1,2.5],"b":-1},{"a":[-0.0,16777216],"b":9007199254740992}]',
    );
    expect(text((w) => writeRows(w, [a], { ...HOW, form: "bare" }))).toBe("[[1,2.5],[-0.0,16777216]]");
    expect(text((w) => writeColumns(w, [a, b], HOW))).toBe('{"a":[[1,2.5],[-0.0,16777216]],"b":[-1,9007199254740992]}');
    const cube = numbers("c", "INT32", [2, 1, 2], [1, 2, 3, 4]);
    expect(text((w) => writeValue(w, cube, HOW))).toBe("[[[1,2]],[[3,4]]]");
    expect(text((w) => writeValue(w, numbers("s", "BOOL", [], [1]), HOW))).toBe("true");
    expect(text((w) => writeValue(w, numbers("e", "FP32", [2, 0, 3], []), HOW))).toBe("[[],[]]");
  });

  test("floats may keep their fraction, or have a text of the caller's own", () => {
    const values = numbers("x", "FP32", [6], [1, 2.5, -0, 1e9, 1e-20, Number.NaN]);
    expect(text((w) => writeValue(w, values, { ...HOW, floats: "fraction" }))).toBe(
      "[1.0,2.5,-0.0,1000000000.0,9.999999682655225e-21,NaN]",
    );
    const doubles = numbers("x", "FP64", [3], [1, 1e15, 1e21]);
    expect(text((w) => writeValue(w, doubles, { ...HOW, floats: "fraction" }))).toBe("[1.0,1000000000000000.0,1e+21]");
    expect(text((w) => writeValue(w, doubles, { ...HOW, floats: (value) => `<${value}>` }))).toBe(
      "[<1>,<1000000000000000>,<1e+21>]",
    );
  });

  test("bytes are text, base64, or whichever fits", () => {
    const data = joinBytesElements([Buffer.from('a"\n'), Buffer.from([0xff, 0])]);
    const tensor: Tensor = { name: "t", datatype: "BYTES", shape: [2], data };
    expect(text((w) => writeValue(w, tensor, { ...HOW, bytes: "either" }))).toBe('["a\\"\\n",{"b64":"/wA="}]');
    expect(text((w) => writeValue(w, texts("t", [1], ["a"]), { ...HOW, bytes: () => "b64" }))).toBe('[{"b64":"YQ=="}]');
    expect(refused(() => text((w) => writeValue(w, tensor, { ...HOW, carrier: "gRPC" })))).toBe(
      'unsupported: output "t": element 1 is not UTF-8, so JSON cannot carry it; gRPC can',
    );
    const long: Tensor = { ...tensor, shape: [1], data: joinBytesElements([Buffer.alloc(50_000, 0xfe)]) };
    const base64 = text((w) => writeValue(w, long, { ...HOW, bytes: "b64", pace: openPace({ sliceBytes: 1 }) }));
    expect(base64).toBe(`[{"b64":"${Buffer.alloc(50_000, 0xfe).toString("base64")}"}]`);
    expect(hex(value(base64, { name: "t", datatype: "BYTES" }))).toEqual(hex(long));
  });

  test("what JSON cannot say is refused, naming it", () => {
    const odd = (tensor: Tensor, how: Partial<WriteRows> = {}) =>
      refused(() => text((w) => writeRows(w, [tensor], { ...HOW, ...how })));
    const nan = numbers("x", "FP64", [2], [1, Number.POSITIVE_INFINITY]);
    expect(odd(nan, { odd: "refuse" })).toBe(
      'unsupported: output "x": element 1 is Infinity, which JSON cannot carry; the Open Inference Protocol can',
    );
    expect(odd({ ...nan, datatype: "BF16", data: Buffer.alloc(4) }, { carrier: "gRPC" })).toBe(
      'unsupported: output "x": BF16 has no JSON form; gRPC carries it',
    );
    expect(odd(numbers("x", "FP32", [], [1]))).toContain("a scalar cannot be written as rows");
    expect(refused(() => text((w) => writeRows(w, [a, numbers("c", "FP32", [1], [1])], HOW)))).toContain(
      "expected 2 rows, got 1",
    );
    expect(refused(() => text((w) => writeRows(w, [a, b], { ...HOW, form: "bare" })))).toContain("expected one output");
    expect(odd(numbers("x", "FP32", [5000, 0], []), { form: "bare" })).toContain("over 4096 empty arrays");
  });

  test("stops about once a slice, reading and writing", () => {
    const count = 100_000;
    const big: Tensor = { name: "x", datatype: "FP32", shape: [count, 1], data: new Uint8Array(count * 4) };
    const stops = (work: Sliced<unknown>) => {
      let stops = 0;
      while (work.next().done !== true) stops += 1;
      return stops;
    };
    const w = openWriter();
    // "[0]," for each element
    expect(stops(writeValue(w, big, { ...HOW, pace: openPace({ sliceBytes: 40_000 }) }))).toBe(9);
    const body = Buffer.concat(finishWriter(w).parts);
    const s = openScanner(body, { maxNesting: 8, sliceBytes: 40_000 });
    // each array costs 8 bytes more than it has
    expect(stops(readValue(s, { spec: { name: "x" }, label: "x", depth: 0 }))).toBe(29);
  });
});
