// Requests of the Open Inference Protocol: what is refused, and in which words; what is lifted; raw binary requests.

import { describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { ModelMetadata, TensorSpec } from "../../../core/model.ts";
import {
  decodeRawRequest,
  decodeRequest,
  decodeResponse,
  encodeResponse,
  JSON_FORM,
  parseHeaderLength,
} from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { runNow } from "../../../wire/sliced.ts";

const body = (value: string) => Buffer.from(value);
const input = (rest: string) => `{"inputs":[{"name":"x",${rest}}]}`;

function decode(text: string | Buffer, headerLength?: number) {
  return runNow(decodeRequest(Buffer.from(text), { limits, ...(headerLength === undefined ? {} : { headerLength }) }));
}

/** The code and text of the error that a piece of work throws. */
function fault(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof InferError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "no error";
}

describe("JSON that is none", () => {
  test.each([
    ["", "expected a JSON object, got an empty body"],
    ["  \n", "expected a JSON object, got an empty body"],
    ["[]", "malformed JSON at byte 0: expected an object, got ["],
    ["\ufeff{}", "malformed JSON at byte 0: expected an object, got a byte order mark, which JSON text must not have"],
    ['{"a":1', "malformed JSON at byte 6: expected , or }, got the end of the text"],
    ['{"a":1,}', "malformed JSON at byte 7: expected a name, got }"],
    ['{"a" 1}', "malformed JSON at byte 5: expected :, got 1"],
    ["{a:1}", "malformed JSON at byte 1: expected a name or }, got a"],
    ['{"a":01}', "malformed JSON at byte 6: expected , or }, got 1"],
    ['{"a":+1}', "malformed JSON at byte 5: expected a value, got +1"],
    ['{"a":1.}', "malformed JSON at byte 5: expected a value, got 1."],
    ['{"a":nul}', "malformed JSON at byte 5: expected a value, got nul"],
    ['{"a":[1,]}', "malformed JSON at byte 8: expected a value, got ]"],
    ['{"a":"\u0001"}', "malformed JSON at byte 6: expected an escape instead of a control character, got \\u0001"],
    ['{"a":"\\x"}', "malformed JSON at byte 6: expected an escape that JSON has, got \\x"],
    ['{"a":"\\u12g4"}', "malformed JSON at byte 6: expected \\u and four hexadecimal digits, got \\u12g4"],
    ['{"a":"b', 'malformed JSON at byte 7: expected a closing ", got the end of the text'],
    ['{"inputs":[]} x', "malformed JSON at byte 14: expected the end of the text, got x"],
    ['{"inputs":[]}{}', "malformed JSON at byte 13: expected the end of the text, got {"],
    ['{"inputs":[]}\0', "malformed JSON at byte 13: expected the end of the text, got \\u0000"],
    ['{"\\ud800":1}', "the string at byte 1 holds a lone surrogate, which has no UTF-8"],
  ])("%j is refused with the place and what was expected", (text, message) => {
    expect(fault(() => decode(text))).toBe(`invalid-argument: ${message}`);
  });

  test("bytes that are no UTF-8 are refused with their place, wherever they stand", () => {
    const bad = Buffer.concat([body('{"a":"é'), Buffer.from([0xff]), body('"}')]);
    expect(fault(() => decode(bad))).toBe("invalid-argument: malformed JSON at byte 8: expected UTF-8");
    const surrogate = Buffer.concat([body('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), body('"}')]);
    expect(fault(() => decode(surrogate))).toBe("invalid-argument: malformed JSON at byte 6: expected UTF-8");
    const far = Buffer.concat([body(`{"a":"${"é".repeat(1_000_000)}`), Buffer.from([0xc3]), body('"}')]);
    expect(fault(() => decode(far))).toBe("invalid-argument: malformed JSON at byte 2000006: expected UTF-8");
  });

  test("nesting beyond the limit is refused in data and in members that nobody knows", () => {
    const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(fault(() => decode(`{"a":${deep(99)},"inputs":[]}`))).toBe("no error");
    expect(fault(() => decode(`{"a":${deep(100)},"inputs":[]}`))).toBe(
      "invalid-argument: nested deeper than 100 arrays and objects at byte 104",
    );
    expect(fault(() => decode(input(`"data":${deep(98)},"shape":[1],"datatype":"FP32"`)))).toMatch(
      "nested deeper than 100",
    );
  });

  test("names, numbers and white space of absurd length are refused", () => {
    const mega = 1024 * 1024;
    expect(fault(() => decode(`{"${"n".repeat(mega + 1)}":1}`))).toMatch("longer than 1048576 bytes");
    expect(fault(() => decode(`{${" ".repeat(mega + 2)}}`))).toMatch("over 1048576 bytes of white space");
    expect(fault(() => decode(`{"a":${"1".repeat(5000)}}`))).toMatch("longer than 4096 bytes");
  });
});

describe("a request's members", () => {
  test.each([
    ["{}", "expected inputs, got none"],
    ['{"inputs":null}', "expected inputs, got none"],
    ['{"inputs":{}}', "malformed JSON at byte 10: expected an array of inputs, got {"],
    ['{"inputs":[1]}', "malformed JSON at byte 11: expected an object for input 0, got 1"],
    ['{"id":7,"inputs":[]}', "id: expected a string, got 7"],
    ['{"inputs":[],"inputs":[]}', '"inputs" stands twice in the body'],
    ['{"id":"a","\\u0069d":"b","inputs":[]}', '"id" stands twice in the body'],
    ['{"inputs":[{"shape":[1],"datatype":"FP32","data":[1]}]}', "input 0: expected a name, got none"],
    ['{"inputs":[{"name":"","shape":[1],"datatype":"FP32","data":[1]}]}', "input 0: expected a name, got none"],
    [input('"datatype":"FP32","data":[1]'), 'input "x": expected a shape, got none'],
    [input('"shape":[1],"data":[1]'), 'input "x": expected a datatype, got none'],
    [input('"shape":[1],"datatype":"FP32"'), 'input "x": expected data or the parameter binary_data_size, got neither'],
    [input('"shape":[1],"datatype":"FP32","shape":[1],"data":[1]'), 'input "x": "shape" stands twice'],
    [
      input('"shape":[-1],"datatype":"FP32","data":[1]'),
      'input "x": expected a shape of whole numbers of at least 0, got -1',
    ],
    [
      input('"shape":[1.0],"datatype":"FP32","data":[1]'),
      'input "x": expected a shape of whole numbers of at least 0, got 1.0',
    ],
    [
      input('"shape":["1"],"datatype":"FP32","data":[1]'),
      'input "x": expected a shape of whole numbers of at least 0, got "1"',
    ],
    [
      input('"shape":[9007199254740991,8],"datatype":"FP32","data":[1]'),
      'input "x": shape [9007199254740991,8] has more elements than can be counted',
    ],
    [
      input('"shape":[1],"datatype":"FLOAT","data":[1]'),
      'input "x": expected a datatype of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES, got "FLOAT"',
    ],
    [
      '{"inputs":[{"name":"x","shape":[0],"datatype":"INT8","data":[]},{"name":"x","shape":[0],"datatype":"INT8","data":[]}]}',
      'input "x" stands twice',
    ],
    ['{"inputs":[],"outputs":[{}]}', "output 0: expected a name, got none"],
    ['{"inputs":[],"outputs":[{"name":"y"},{"name":"y"}]}', 'output "y" is already requested'],
    [
      '{"inputs":[],"outputs":[{"name":"y","parameters":{"binary_data":1}}]}',
      'parameter "binary_data" of output "y": expected true or false, got 1',
    ],
  ])("%j is refused", (text, message) => {
    expect(fault(() => decode(text))).toBe(`invalid-argument: ${message}`);
  });

  test("shared memory is not supported yet, for inputs and outputs", () => {
    expect(fault(() => decode(input('"shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":"r"}')))).toBe(
      'unsupported: input "x": shared memory (shared_memory_region) is not supported yet',
    );
    const asked = '{"inputs":[],"outputs":[{"name":"y","parameters":{"shared_memory_byte_size":4}}]}';
    expect(fault(() => decode(asked))).toBe(
      'unsupported: output "y": shared memory (shared_memory_byte_size) is not supported yet',
    );
  });

  test("members that nobody knows are stepped over, and null counts as absent where a member may be absent", () => {
    const text =
      '{"model_name":"m","x":[{"a":[1,-2.5e3,true,null,"\\u0041"]},{}],"id":null,"parameters":null,"outputs":null,' +
      '"inputs":[{"name":"x","what":{"data":[]},"shape":[1],"datatype":"INT8","parameters":null,"data":[1]}]}';
    const request = decode(text);
    expect(request.inputs.length).toBe(1);
    expect([request.hints.id, request.outputs, request.parameters.size]).toEqual([undefined, undefined, 0]);
  });

  test("an empty list of outputs means all of them", () => {
    expect(decode('{"inputs":[],"outputs":[]}').outputs).toBe(undefined);
  });

  test("inputs, outputs, parameters and elements are limited in number", () => {
    const list = (count: number, item: (i: number) => string) =>
      Array.from({ length: count }, (_, i) => item(i)).join(",");
    const inputs = (count: number) => list(count, (i) => `{"name":"${i}","shape":[0],"datatype":"INT8","data":[]}`);
    expect(decode(`{"inputs":[${inputs(1024)}]}`).inputs.length).toBe(1024);
    expect(fault(() => decode(`{"inputs":[${inputs(1025)}]}`))).toBe(
      "invalid-argument: expected at most 1024 inputs, got more",
    );
    const outputs = list(1025, (i) => `{"name":"${i}"}`);
    expect(fault(() => decode(`{"inputs":[],"outputs":[${outputs}]}`))).toBe(
      "invalid-argument: expected at most 1024 outputs, got more",
    );
    const many = list(1025, (i) => `"${i}":1`);
    expect(fault(() => decode(`{"inputs":[],"parameters":{${many}}}`))).toBe(
      "invalid-argument: the request has over 1024 parameters",
    );
    const ones = (name: string) => `{"name":"${name}","shape":[6],"datatype":"INT8","data":[1,1,1,1,1,1]}`;
    const two = decodeRequest(body(`{"inputs":[${ones("a")},${ones("b")}]}`), {
      limits: { ...limits, maxElements: 10 },
    });
    expect(fault(() => runNow(two))).toBe('too-large: input "b": expected at most 10 elements in JSON, got 12');
    expect(fault(() => decode(input(`"shape":[${"1,".repeat(64)}1],"datatype":"INT8","data":[1]`)))).toBe(
      'invalid-argument: input "x": expected a shape of at most 64 dimensions, got more',
    );
  });
});

describe("data", () => {
  const data = (datatype: string, shape: string, elements: string) =>
    input(`"shape":${shape},"datatype":"${datatype}","data":${elements}`);

  test.each([
    ["FP32", "[2]", "[1]", "shape [2] needs 2 elements, got 1"],
    ["FP32", "[2]", "[1,2,3,4,5]", "shape [2] needs 2 elements, got 5"],
    ["FP32", "[]", "[]", "shape [] needs 1 elements, got 0"],
    ["FP32", "[0]", "[1]", "shape [0] needs 0 elements, got 1"],
    [
      "FP32",
      "[1000000000000]",
      "[1,2]",
      "shape [1000000000000] needs 1000000000000 elements, more than 8 bytes of data can hold",
    ],
    ["FP32", "[20]", `[${"1,".repeat(17)}"a"]`, 'expected a number in FP32\'s range at data[17], got "a"'],
    ["FP32", "[2]", "5", "expected an array at data, got 5"],
    ["FP32", "[2,2]", "[[1,2],[3]]", "shape [2,2] needs 2 items in data[1], got 1"],
    ["FP32", "[2,2]", "[[1,2],[3,4],[5,6]]", "shape [2,2] needs 2 items in data, got 3"],
    ["FP32", "[2,2]", "[[1,2],3]", "expected [ at data[1], got 3"],
    ["FP32", "[2,2]", "[1,2,[3,4]]", "expected a number in FP32's range at data[2], got ["],
    ["FP32", "[4]", "[[1,2],[3,4]]", "expected an element of shape [4] at data[0], got ["],
    ["FP32", "[2,2]", "[[1,2],[3,null]]", "expected a number in FP32's range at data[1][1], got null"],
    ["FP32", "[1]", "[1e39]", "expected a number in FP32's range at data[0], got 1e39"],
    [
      "FP32",
      "[1]",
      "[-3.4028235677973366e38]",
      "expected a number in FP32's range at data[0], got -3.4028235677973366e38",
    ],
    ["FP64", "[1]", "[1e309]", "expected a number in FP64's range at data[0], got 1e309"],
    ["INT8", "[2]", "[127,128]", "expected an integer in INT8's range [-128, 127] at data[1], got 128"],
    ["INT8", "[1]", "[1.0]", "expected an integer in INT8's range [-128, 127] at data[0], got 1.0"],
    ["INT8", "[1]", "[1e1]", "expected an integer in INT8's range [-128, 127] at data[0], got 1e1"],
    ["UINT32", "[1]", "[-1]", "expected an integer in UINT32's range [0, 4294967295] at data[0], got -1"],
    [
      "INT32",
      "[1]",
      "[2147483648]",
      "expected an integer in INT32's range [-2147483648, 2147483647] at data[0], got 2147483648",
    ],
    [
      "INT64",
      "[1]",
      "[9223372036854775808]",
      "expected an integer in INT64's range [-9223372036854775808, 9223372036854775807] at data[0], got 9223372036854775808",
    ],
    [
      "INT64",
      "[1]",
      "[-9223372036854775809]",
      "expected an integer in INT64's range [-9223372036854775808, 9223372036854775807] at data[0], got -9223372036854775809",
    ],
    [
      "INT64",
      "[1]",
      "[1234567890123456.5]",
      "expected an integer in INT64's range [-9223372036854775808, 9223372036854775807] at data[0], got 1234567890123456.5",
    ],
    [
      "UINT64",
      "[1]",
      "[18446744073709551616]",
      "expected an integer in UINT64's range [0, 18446744073709551615] at data[0], got 18446744073709551616",
    ],
    ["UINT64", "[1]", "[-1]", "expected an integer in UINT64's range [0, 18446744073709551615] at data[0], got -1"],
    ["BOOL", "[2]", "[true,1]", "expected true or false at data[1], got 1"],
    ["BYTES", "[2]", '["a",7]', "expected a string at data[1], got 7"],
    ["BYTES", "[1]", '["\\ud83d"]', "element 0 holds a lone surrogate, which has no UTF-8"],
    ["BYTES", "[1]", '["\\ude00"]', "element 0 holds a lone surrogate, which has no UTF-8"],
    ["FP16", "[1]", "[1]", "FP16 has no JSON form; send it with the binary tensor extension (binary_data_size)"],
    ["BF16", "[1]", "[1]", "BF16 has no JSON form; send it with the binary tensor extension (binary_data_size)"],
  ])("%s %s %s is refused", (datatype, shape, elements, message) => {
    expect(fault(() => decode(data(datatype, shape, elements)))).toBe(`invalid-argument: input "x": ${message}`);
  });

  test.each([
    ["FP32", "[]", "1.5", "0000c03f"],
    ["FP32", "[]", "[1.5]", "0000c03f"],
    ["FP32", "[2,0]", "[[],[]]", ""],
    ["FP32", "[2,0]", "[]", ""],
    ["FP32", "[0,3]", "[]", ""],
    ["FP32", "[3]", "[Inf,-Inf,-Infinity]", "0000807f000080ff000080ff"],
    ["INT8", "[2,1,2]", "[[[1,2]],[[3,-4]]]", "010203fc"],
    ["INT8", "[2,1,2]", " [ 1 , 2 , 3 , -0 ] ", "01020300"],
    ["BOOL", "[]", "true", "01"],
    ["BYTES", "[]", '"a"', "0100000061"],
    ["BYTES", "[2]", '["","\\u0000\\/\\b\\f\\n\\r\\t\\"\\\\"]', "0000000009000000002f080c0a0d09225c"],
    ["BYTES", "[1]", '["\\u20ac\\ud83d\\ude00é"]', "09000000e282acf09f9880c3a9"],
  ])("%s %s %s is read, before and after its shape and datatype", (datatype, shape, elements, hex) => {
    const after = decode(data(datatype, shape, elements));
    const before = decode(input(`"data":${elements},"datatype":"${datatype}","shape":${shape}`));
    for (const { inputs } of [after, before]) expect(Buffer.from(inputs[0]!.data).toString("hex")).toBe(hex);
  });
});

describe("blobs", () => {
  const json = (shape: string, datatype: string, size: string) =>
    input(`"shape":${shape},"datatype":"${datatype}","parameters":{"binary_data_size":${size}}`);
  const withBlob = (text: string, hex: string) => () =>
    decode(Buffer.concat([body(text), Buffer.from(hex, "hex")]), text.length);

  test.each([
    [json("[2]", "INT16", "4"), "010002", 'input "x": needs 4 bytes behind the JSON, got 3'],
    [json("[2]", "INT16", "4"), "0100020003", "the inputs take 4 bytes behind the JSON, got 5"],
    [json("[2]", "INT16", "2"), "0100", 'input "x": INT16 of shape [2] needs 4 bytes, binary_data_size says 2'],
    [
      json("[2]", "INT16", '"4"'),
      "01000200",
      'parameter "binary_data_size" of input "x": expected a whole number in [0, 2^53), got "4"',
    ],
    [
      json("[2]", "INT16", "-4"),
      "01000200",
      'parameter "binary_data_size" of input "x": expected a whole number in [0, 2^53), got -4',
    ],
    [json("[2]", "BYTES", "5"), "0100000061", 'input "x": shape [2] needs 2 BYTES elements, got 1'],
    [json("[1]", "BYTES", "3"), "010000", 'input "x": element 0 ends inside its length prefix'],
    [json("[1]", "BYTES", "5"), "0200000061", 'input "x": element 0 says 2 bytes, 1 bytes are left'],
    [
      input('"shape":[1],"datatype":"INT8","parameters":{"binary_data_size":1},"data":[1]'),
      "01",
      'input "x": expected either data or binary_data_size, got both',
    ],
    ['{"inputs":[]}', "01", "the inputs take 0 bytes behind the JSON, got 1"],
  ])("%s with %s is refused", (text, hex, message) => {
    expect(fault(withBlob(text, hex))).toBe(`invalid-argument: ${message}`);
  });

  test("a size needs the header that says where the JSON ends, unless it is 0", () => {
    expect(fault(() => decode(json("[2]", "INT16", "4")))).toBe(
      'invalid-argument: input "x": binary_data_size needs the header Inference-Header-Content-Length, got none',
    );
    expect(decode(json("[0]", "INT16", "0")).inputs[0]!.data.byteLength).toBe(0);
  });

  test("a tensor's other parameters stay with it", () => {
    const text = input('"shape":[1],"datatype":"INT8","parameters":{"binary_data_size":1,"content_type":"np"}');
    expect(withBlob(text, "07")().inputs[0]!.parameters).toEqual(new Map([["content_type", "np"]]));
  });
});

describe("the header Inference-Header-Content-Length", () => {
  test("is a whole number up to the body's length; 0 says raw", () => {
    expect(parseHeaderLength(undefined, 10)).toBe(undefined);
    expect(parseHeaderLength("10", 10)).toBe(10);
    expect(parseHeaderLength(" 7 ", 10)).toBe(7);
    expect(parseHeaderLength("0", 10)).toBe("raw");
  });

  test.each(["11", "-1", "1.5", "1e1", "0x5", "", "a", "99999999999999999999"])("%j is refused", (header) => {
    expect(fault(() => parseHeaderLength(header, 10))).toBe(
      `invalid-argument: header Inference-Header-Content-Length: expected a whole number in [0, 10], got "${header}"`,
    );
  });
});

describe("a raw binary request", () => {
  const model = (inputs: readonly TensorSpec[], batchDim?: 0): ModelMetadata => ({
    name: "m",
    version: "1",
    versions: ["1"],
    platform: "onnxruntime_onnx",
    inputs,
    outputs: [],
    stateful: false,
    ...(batchDim === undefined ? {} : { batchDim }),
  });
  const spec = (datatype: TensorSpec["datatype"], ...shape: number[]): TensorSpec => ({ name: "x", datatype, shape });

  test("takes one row, a varying dimension following from the size, and answers in binary", () => {
    const { inputs, form } = decodeRawRequest(Buffer.alloc(24), model([spec("FP32", -1, 2, -1)], 0));
    expect(inputs[0]!.shape).toEqual([1, 2, 3]);
    expect(inputs[0]!.data.byteLength).toBe(24);
    expect(form.binaryByDefault).toBe(true);
    expect(decodeRawRequest(Buffer.alloc(8), model([spec("INT64")])).inputs[0]!.shape).toEqual([]);
    expect(decodeRawRequest(Buffer.alloc(0), model([spec("INT64", -1)])).inputs[0]!.shape).toEqual([0]);
  });

  test("takes BYTES as one element", () => {
    const { inputs } = decodeRawRequest(body("abc"), model([spec("BYTES", -1, 1)], 0));
    expect(inputs[0]).toEqual({
      name: "x",
      datatype: "BYTES",
      shape: [1, 1],
      data: new Uint8Array([3, 0, 0, 0, 97, 98, 99]),
    });
  });

  test("is refused for models that cannot take it, and for a wrong size", () => {
    const refused = (bytes: number, metadata: ModelMetadata) =>
      fault(() => decodeRawRequest(Buffer.alloc(bytes), metadata));
    const two = [spec("FP32", 1), { ...spec("FP32", 1), name: "y" }];
    expect(refused(4, model(two))).toBe(
      'invalid-argument: model "m" has 2 inputs, a raw binary request needs a model with 1',
    );
    expect(refused(4, model([spec("FP32", -1, -1)]))).toBe(
      'invalid-argument: input "x": a raw binary request needs a shape with at most 1 variable dimension beside the rows, got FP32 of shape [-1,-1]',
    );
    expect(refused(5, model([spec("FP32", -1)]))).toBe(
      'invalid-argument: input "x": FP32 of shape [-1] needs a multiple of 4 bytes, got 5',
    );
    expect(refused(5, model([spec("FP32", -1, 2)], 0))).toBe(
      'invalid-argument: input "x": FP32 of shape [-1,2] needs 8 bytes, got 5',
    );
    expect(refused(5, model([spec("BYTES", 2)]))).toBe(
      'invalid-argument: input "x": a raw binary request carries 1 BYTES element, the model takes BYTES of shape [2]',
    );
  });
});

describe("an answer", () => {
  const answer = (datatype: "BYTES" | "FP16", data: Uint8Array) => () =>
    runNow(
      encodeResponse(
        {
          kind: "whole",
          model: { name: "m", version: "1" },
          outputs: [{ name: "y", datatype, shape: [1], data }],
          parameters: new Map(),
        },
        { id: "", form: JSON_FORM },
      ),
    );

  test("has no id when the request's was empty, and escapes what JSON must have escaped", () => {
    const { parts } = answer("BYTES", Buffer.from('\u0005\0\0\0"\\\u0001é'))();
    expect(Buffer.concat(parts).toString()).toBe(
      '{"model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"BYTES","shape":[1],"data":["\\"\\\\\\u0001é"]}]}',
    );
  });

  test("cannot carry BYTES that are no UTF-8 or half floats as JSON", () => {
    expect(fault(answer("BYTES", Uint8Array.of(1, 0, 0, 0, 0xff)))).toBe(
      'unsupported: output "y": element 0 is not UTF-8, so JSON cannot carry it; the binary tensor extension (binary_data) can',
    );
    expect(fault(answer("FP16", Uint8Array.of(0, 0)))).toBe(
      'invalid-argument: output "y": FP16 has no JSON form; the binary tensor extension (binary_data) carries it',
    );
  });

  test("of a backend that cannot be read is the backend's fault", () => {
    expect(fault(() => runNow(decodeResponse(body('{"outputs":[{}]}'), { limits })))).toBe(
      "bad-backend: the backend's answer cannot be read: output 0: expected a name, got none",
    );
    expect(fault(() => runNow(decodeResponse(body("{}"), { limits })))).toBe(
      "bad-backend: the backend's answer cannot be read: expected outputs, got none",
    );
  });
});
