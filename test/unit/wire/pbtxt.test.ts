// Protocol buffers' text format as plain trees.

import { describe, expect, test } from "vitest";
import { readTextFormat, type TextMessage, type TextValue } from "../../../wire/pbtxt.ts";

function plain(message: TextMessage): unknown {
  const one = (value: TextValue): unknown => {
    if (value.kind === "message") return plain(value.fields);
    if (value.kind === "text") return value.text;
    return value.kind === "number" ? `#${value.number}` : `~${value.word}`;
  };
  return Object.fromEntries([...message].map(([name, values]) => [name, values.map(one)]));
}

test("a config as Triton's guide writes it", () => {
  const text = `
# a model
name: "iris"
platform: 'onnxruntime_onnx'
max_batch_size : 8
input [
  { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] reshape { shape: [ ] } },
  { name: "y", data_type: TYPE_INT64; dims: 2 dims: 3 }
]
version_policy: { specific < versions: [1, 3] > }
dynamic_batching { }
parameters { key: "a" value { string_value: "one " "two" } }
optional: true
`;
  expect(plain(readTextFormat(text))).toEqual({
    name: ["iris"],
    platform: ["onnxruntime_onnx"],
    max_batch_size: ["#8"],
    input: [
      { name: ["x"], data_type: ["~TYPE_FP32"], dims: ["#-1", "#4"], reshape: [{ shape: [] }] },
      { name: ["y"], data_type: ["~TYPE_INT64"], dims: ["#2", "#3"] },
    ],
    version_policy: [{ specific: [{ versions: ["#1", "#3"] }] }],
    dynamic_batching: [{}],
    parameters: [{ key: ["a"], value: [{ string_value: ["one two"] }] }],
    optional: ["~true"],
  });
});

test("escapes in texts", () => {
  const text = String.raw`a: "tab\t quote\" \x41 \101 \u00e9 back\\slash # not a comment"`;
  expect(plain(readTextFormat(text))).toEqual({ a: ['tab\t quote" A A é back\\slash # not a comment'] });
});

describe("what is not the format", () => {
  test.each([
    ["a: [1, 2", 'line 1: expected "," or "]", got the end of the text'],
    ["a {\n b: 1", 'line 2: expected "}", got the end of the text'],
    ["a 5", 'line 1: expected ":" or a message, got "5"'],
    ["a: ", "line 1: expected a value, got the end of the text"],
    ["\n\n: 5", 'line 3: expected the name of a field, got ": 5"'],
    ['a: "open', 'line 1: expected the end of a text on its line, got "\\"open"'],
    ["a: 5x", 'line 1: expected a value, got "5x"'],
    ["a { ".repeat(70), "line 1: expected at most 64 messages within one another"],
  ])("%j is refused with its line", (text, message) => {
    expect(() => readTextFormat(text)).toThrow(message);
  });
});
