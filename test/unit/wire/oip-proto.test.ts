// The inference messages over gRPC: what is refused and in which words, and what is tolerated.

import { describe, expect, test } from "vitest";
import type { InferRequest } from "../../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../../core/tensor.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { decodeRequest, decodeResponse, encodeRequest } from "../../../wire/oip-proto.ts";
import { decodeStreamPart } from "../../../wire/oip-proto-stream.ts";
import { runNow } from "../../../wire/sliced.ts";
import { type SpelledField, spell, spellTensor } from "./messages.ts";
import { fault } from "./requests.ts";

const read = (...fields: readonly SpelledField[]) => runNow(decodeRequest(spell(...fields), { limits }));
const refusal = (...fields: readonly SpelledField[]) => fault(() => read(...fields));

/** A request with the one input x, whose members behind its shape are given. */
const x = (datatype: string, shape: readonly number[], ...rest: readonly SpelledField[]): SpelledField => [
  5,
  spellTensor("x", datatype, ...shape.map((size): SpelledField => [3, size]), ...rest),
];
const contents = (...fields: readonly SpelledField[]): SpelledField => [5, spell(...fields)];
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
const raw = (...values: readonly number[]): SpelledField => [7, bytes(...values)];

describe("raw contents", () => {
  test.each<[string, readonly SpelledField[], string]>([
    ["too few bytes", [x("FP32", [2]), raw(0, 0, 0, 0)], 'input "x": FP32 of shape [2] needs 8 bytes, got 4 raw bytes'],
    ["fewer than inputs", [x("UINT8", [1]), x("UINT8", [1]), raw(1)], "expected raw contents for 2 inputs, got 1"],
    ["more than inputs", [x("UINT8", [1]), raw(1), raw(2)], "expected raw contents for 1 inputs, got 2"],
    [
      "beside typed ones",
      [x("UINT8", [1], contents([4, bytes(1)])), raw(1)],
      'input "x": expected no typed contents beside raw contents, got both',
    ],
    [
      "BYTES with a length beyond the end",
      [x("BYTES", [1]), raw(9, 0, 0, 0, 65)],
      'input "x": element 0 says 9 bytes, 1 bytes are left',
    ],
    ["too many BYTES", [x("BYTES", [0]), raw(0, 0, 0, 0)], 'input "x": shape [0] needs 0 BYTES elements, got 1'],
  ])("%s are refused", (_, fields, message) => {
    expect(refusal(...fields)).toBe(`invalid-argument: ${message}`);
  });

  test("may stand beside a message of typed contents that is empty", () => {
    expect(read(x("UINT8", [1], contents()), raw(7)).inputs[0]?.data).toEqual(Buffer.from([7]));
  });
});

describe("typed contents", () => {
  test.each<[string, SpelledField, string]>([
    [
      "INT8 over its range",
      x("INT8", [2], contents([2, bytes(1, 0x80, 1)])),
      'input "x": element 1 is 128, beyond INT8\'s range',
    ],
    [
      "UINT16 over its range",
      x("UINT16", [1], contents([4, 65536])),
      'input "x": element 0 is 65536, beyond UINT16\'s range',
    ],
    [
      "in another datatype's field",
      x("UINT8", [1], contents([2, 1])),
      'input "x": UINT8 goes in uint_contents, got int_contents',
    ],
    [
      "texts for numbers",
      x("FP32", [1], contents([8, ""])),
      'input "x": FP32 goes in fp32_contents, got bytes_contents',
    ],
    [
      "of FP16",
      x("FP16", [1], contents([6, bytes(0, 0, 0, 0)])),
      'input "x": FP16 goes in raw contents only, got fp32_contents',
    ],
    ["too few", x("INT32", [3], contents([2, bytes(1, 2)])), 'input "x": shape [3] needs 3 elements, got 2 bytes'],
    [
      "too few of more bytes",
      x("INT32", [3], contents([2, bytes(0x80, 1, 2)])),
      'input "x": shape [3] needs 3 elements, got 2',
    ],
    ["too many", x("INT32", [1], contents([2, bytes(1, 2)])), 'input "x": shape [1] needs 1 elements, got more'],
    [
      "half a float",
      x("FP32", [1], contents([6, bytes(0, 0)])),
      'input "x": shape [1] needs 1 elements, got a broken one',
    ],
    ["missing", x("FP32", [1]), 'input "x": shape [1] needs 1 elements, got 0'],
    [
      "a number without an end",
      x("INT32", [1], contents([2, bytes(0x80)])),
      "malformed protobuf message: a number that does not end at byte 3",
    ],
    [
      "a shape that would reserve memory",
      x("INT64", [2 ** 40], contents([3, 1])),
      `input "x": shape [${2 ** 40}] needs ${2 ** 40} elements, got 1 bytes`,
    ],
  ])("%s: refused", (_, input, message) => {
    expect(refusal(input)).toBe(`invalid-argument: ${message}`);
  });

  test("an int32 that was written in five bytes is the same number, and a BOOL of any varint is true", () => {
    expect(read(x("INT8", [1], contents([2, bytes(0xff, 0xff, 0xff, 0xff, 0x0f)]))).inputs[0]?.data).toEqual(
      bytes(0xff),
    );
    expect(read(x("BOOL", [2], contents([1, bytes(0x80, 0x01, 0)]))).inputs[0]?.data).toEqual(bytes(1, 0));
  });

  test("beyond the limit of elements are too large", () => {
    const message = spell(x("UINT8", [2], contents([4, bytes(1, 2)])));
    expect(fault(() => runNow(decodeRequest(message, { limits: { ...limits, maxElements: 1 } })))).toBe(
      'too-large: input "x": expected at most 1 typed elements, got 2',
    );
  });

  test("of FP16 cannot be written", () => {
    const half: Tensor = { name: "h", datatype: "FP16", shape: [1], data: bytes(0, 0) };
    const request: InferRequest = {
      model: { name: "m", select: { by: "default" } },
      task: "infer",
      inputs: [half],
      parameters: NO_PARAMETERS,
      stream: false,
    };
    expect(fault(() => runNow(encodeRequest(request, { model: { name: "m" }, contents: "typed" })))).toBe(
      'unsupported: input "h": FP16 has no typed form, and the server does not take raw contents, which carry it',
    );
  });
});

const parameter = (key: string, ...value: readonly SpelledField[]): SpelledField => [
  4,
  spell([1, key], [2, spell(...value)]),
];

describe("a request", () => {
  test.each<[string, readonly SpelledField[], string]>([
    ["a name twice", [x("UINT8", [0]), x("UINT8", [0])], 'invalid-argument: input "x" stands twice'],
    ["no name", [[5, spell([2, "FP32"])]], "invalid-argument: input 0: expected a name, got none"],
    [
      "no datatype",
      [[5, spell([1, "x"])]],
      'invalid-argument: input "x": expected a datatype of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES, got none',
    ],
    [
      "a negative size",
      [x("FP32", [-1])],
      'invalid-argument: input "x": expected a shape of whole numbers of at least 0, got -1',
    ],
    [
      "too many dimensions",
      [x("FP32", Array(65).fill(1))],
      "invalid-argument: input 0: expected a shape of at most 64 dimensions, got more",
    ],
    [
      "an output twice",
      [
        [6, spell([1, "y"])],
        [6, spell([1, "y"])],
      ],
      'invalid-argument: output "y" is already requested',
    ],
    [
      "a parameter without a value",
      [parameter("p")],
      'invalid-argument: parameter "p" of the request: expected a value, got none',
    ],
    [
      "Triton's own parameters",
      [parameter("triton_x", [1, 1])],
      'invalid-argument: parameter "triton_x": names that begin with triton_ are reserved',
    ],
    [
      "a negative timeout",
      [parameter("timeout", [2, -1])],
      'invalid-argument: parameter "timeout": expected a whole number in [0, 2^53), got -1',
    ],
    [
      "shared memory",
      [x("UINT8", [1], parameter("shared_memory_region", [3, "r"]), parameter("shared_memory_byte_size", [2, 1]))],
      'unsupported: input "x": shared memory is off here',
    ],
    [
      "text that is no UTF-8",
      [[1, bytes(0xff)]],
      "invalid-argument: malformed protobuf message: The encoded data was not valid for encoding utf-8",
    ],
    [
      "a message cut off",
      [[5, bytes(0x0a, 9)]],
      "invalid-argument: malformed protobuf message: index out of range: 2 + 9 > 2",
    ],
  ])("with %s is refused", (_, fields, message) => {
    expect(refusal(...fields)).toBe(message);
  });

  test("of over 1,024 inputs, over 65,536 fields, or a text of over 4 MiB is refused", () => {
    const input = x("UINT8", [0]);
    expect(refusal(...Array<SpelledField>(1025).fill(input))).toBe(
      "invalid-argument: expected at most 1024 inputs, got more",
    );
    // field 98, a varint of 1, so many times
    const many = Buffer.alloc(3 * 65_537, bytes(0x90, 0x06, 1));
    expect(fault(() => runNow(decodeRequest(many, { limits })))).toBe(
      "invalid-argument: a protobuf message has over 65536 fields",
    );
    expect(refusal([1, "x".repeat(4 * 1024 * 1024 + 1)])).toBe(
      "too-large: expected a text of at most 4194304 bytes, got 4194305",
    );
  });

  test("with a group, which proto3 does not have, is refused", () => {
    expect(fault(() => runNow(decodeRequest(bytes(0x7b, 0x7c), { limits })))).toBe(
      "invalid-argument: malformed protobuf message: a group at byte 1",
    );
  });

  test("may have fields that nobody knows, and asks for an empty last answer with Triton's word", () => {
    const all = read([1, "m"], [99, "?"], [98, 5], parameter("triton_enable_empty_final_response", [1, 1]));
    expect(all).toMatchObject({ model: { name: "m" }, inputs: [], emptyFinal: true });
    expect(all.parameters.size).toBe(0);
  });
});

describe("an answer", () => {
  const readAnswer = (...fields: readonly SpelledField[]) => runNow(decodeResponse(spell(...fields), { limits }));

  test("that is malformed is the backend's fault", () => {
    const y: SpelledField = [5, spellTensor("y", "FP32", [3, 1])];
    const cases: readonly (readonly [readonly SpelledField[], string])[] = [
      [[y, [6, bytes(1)]], 'output "y": FP32 of shape [1] needs 4 bytes, got 1 raw bytes'],
      [[y, y, [6, bytes(1, 2, 3, 4)]], "expected raw contents for 2 outputs, got 1"],
      [[y], 'output "y": shape [1] needs 1 elements, got 0'],
      [[[5, bytes(0xff)]], "malformed protobuf message: index out of range: 1 + 1 > 1"],
    ];
    for (const [fields, message] of cases) {
      expect(fault(() => readAnswer(...fields))).toBe(`bad-backend: the backend's answer cannot be read: ${message}`);
    }
  });

  test("may come with typed contents", () => {
    const y: SpelledField = [5, spellTensor("y", "INT32", [3, 2], contents([2, bytes(1, 2)]))];
    expect(readAnswer([1, "m"], y)).toMatchObject({
      modelName: "m",
      outputs: [{ name: "y", shape: [2], data: new Uint8Array(Int32Array.of(1, 2).buffer) }],
    });
  });

  test("of a stream without an answer or an error is the backend's fault", () => {
    expect(fault(() => runNow(decodeStreamPart(spell(), { limits })))).toBe(
      "bad-backend: the backend's answer cannot be read: neither an answer nor an error",
    );
  });
});
