// The JSON of requests: what is refused, with which words, and what is stepped over.

import { describe, expect, test } from "vitest";
import { decodeRequest } from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { runNow } from "../../../wire/sliced.ts";
import { decode, fault, input } from "./requests.ts";

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
    const bad = Buffer.concat([Buffer.from('{"a":"é'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(fault(() => decode(bad))).toBe(
      "invalid-argument: malformed JSON at byte 8: expected UTF-8; other bytes go behind it (binary_data_size)",
    );
    const surrogate = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]);
    expect(fault(() => decode(surrogate))).toBe(
      "invalid-argument: malformed JSON at byte 6: expected UTF-8; other bytes go behind it (binary_data_size)",
    );
    const far = Buffer.concat([Buffer.from(`{"a":"${"é".repeat(1_000_000)}`), Buffer.from([0xc3]), Buffer.from('"}')]);
    expect(fault(() => decode(far))).toBe(
      "invalid-argument: malformed JSON at byte 2000006: expected UTF-8; other bytes go behind it (binary_data_size)",
    );
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

  test("shared memory is refused where nobody reads it, and read where somebody does", () => {
    const text = input(
      '"shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":"r","shared_memory_byte_size":4,"shared_memory_offset":8}',
    );
    expect(fault(() => decode(text))).toBe('unsupported: input "x": shared memory is off here');
    const asked: unknown[] = [];
    const work = decodeRequest(Buffer.from(text), {
      limits,
      *shared(part) {
        asked.push(part);
        yield;
        return Uint8Array.from([0, 0, 128, 63]);
      },
    });
    expect(runNow(work).inputs).toEqual([
      { name: "x", datatype: "FP32", shape: [1], data: Uint8Array.from([0, 0, 128, 63]) },
    ]);
    expect(asked).toEqual([{ region: "r", offset: 8, bytes: 4 }]);
  });

  test("an output wanted in shared memory says where, in its form and not in its parameters", () => {
    const text =
      '{"inputs":[],"outputs":[{"name":"y","parameters":{"shared_memory_region":"r","shared_memory_byte_size":4,"p":1}}]}';
    const { outputs, form } = decode(text);
    expect(outputs).toEqual([{ name: "y", parameters: new Map([["p", 1n]]) }]);
    expect(form.regions).toEqual(new Map([["y", { region: "r", offset: 0, bytes: 4 }]]));
  });

  test.each([
    ['"shared_memory_region":"r"', "shared_memory_byte_size: expected a whole number of at least 0, got none"],
    [
      '"shared_memory_region":"r","shared_memory_byte_size":-1',
      "shared_memory_byte_size: expected a whole number of at least 0, got -1",
    ],
    ['"shared_memory_region":1,"shared_memory_byte_size":1', "shared_memory_region: expected the name of a region"],
  ])("a region given as %s is refused", (parameters, message) => {
    const text = input(`"shape":[1],"datatype":"FP32","parameters":{${parameters}}`);
    expect(fault(() => decode(text))).toBe(`invalid-argument: input "x": ${message}`);
  });

  test("a region without its name, or beside data, is refused", () => {
    const nameless = '{"inputs":[],"outputs":[{"name":"y","parameters":{"shared_memory_byte_size":4}}]}';
    expect(fault(() => decode(nameless))).toBe(
      'invalid-argument: output "y": expected the parameter shared_memory_region beside its size and offset, got none',
    );
    const both =
      '"shape":[1],"datatype":"FP32","data":[1],"parameters":{"shared_memory_region":"r","shared_memory_byte_size":4}';
    expect(fault(() => decode(input(both)))).toBe(
      'invalid-argument: input "x": expected its data either here or in shared memory, got both',
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
    const two = decodeRequest(Buffer.from(`{"inputs":[${ones("a")},${ones("b")}]}`), {
      limits: { ...limits, maxElements: 10 },
    });
    expect(fault(() => runNow(two))).toBe('too-large: input "b": expected at most 10 elements in JSON, got 12');
    expect(fault(() => decode(input(`"shape":[${"1,".repeat(64)}1],"datatype":"INT8","data":[1]`)))).toBe(
      'invalid-argument: input "x": expected a shape of at most 64 dimensions, got more',
    );
  });
});
