// Parameters of the Open Inference Protocol: their types, and the reserved ones that are lifted out.

import { describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import { decodeRequest } from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { runNow } from "../../../wire/sliced.ts";

const decode = (parameters: string) =>
  runNow(decodeRequest(Buffer.from(`{"inputs":[],"parameters":${parameters}}`), { limits }));

function fault(parameters: string): string {
  try {
    decode(parameters);
  } catch (error) {
    if (error instanceof InferError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "no error";
}

describe("a parameter", () => {
  test("is a string, a boolean, an integer of 64 bits or a double, as it is written", () => {
    const text =
      '{"a":"1","b":true,"c":false,"d":7,"e":-9223372036854775808,"f":18446744073709551615,"g":7.0,"h":1e3,"i":NaN}';
    expect([...decode(text).parameters]).toEqual([
      ["a", "1"],
      ["b", true],
      ["c", false],
      ["d", 7n],
      ["e", -(2n ** 63n)],
      ["f", 2n ** 64n - 1n],
      ["g", 7],
      ["h", 1000],
      ["i", Number.NaN],
    ]);
  });

  test.each([
    ['{"p":{}}', 'parameter "p" of the request: expected a string, a boolean or a number, got an object'],
    ['{"p":[1]}', 'parameter "p" of the request: expected a string, a boolean or a number, got an array'],
    ['{"p":null}', 'parameter "p" of the request: expected a string, a boolean or a number, got null'],
    ['{"p":1e400}', 'parameter "p" of the request: expected a string, a boolean or a number, got 1e400'],
    ['{"p":x}', "malformed JSON at byte 31: expected a value, got x"],
    [
      '{"p":18446744073709551616}',
      'parameter "p" of the request: expected an integer of 64 bits at most, got 18446744073709551616',
    ],
    ['{"p":1,"p":1}', 'parameter "p" of the request stands twice'],
    ['{"triton_x":1}', 'parameter "triton_x": names that begin with triton_ are reserved'],
    ['{"timeout":-1}', 'parameter "timeout": expected a whole number in [0, 2^53), got -1'],
    ['{"timeout":"5"}', 'parameter "timeout": expected a whole number in [0, 2^53), got "5"'],
    ['{"timeout":5.0}', 'parameter "timeout": expected a whole number in [0, 2^53), got 5'],
    [
      '{"priority":9007199254740992}',
      'parameter "priority": expected a whole number in [0, 2^53), got 9007199254740992',
    ],
    ['{"sequence_id":-1}', 'parameter "sequence_id": expected a string or a whole number of at least 0, got -1'],
    ['{"sequence_id":1.5}', 'parameter "sequence_id": expected a string or a whole number of at least 0, got 1.5'],
    ['{"sequence_start":1}', 'parameter "sequence_start": expected true or false, got 1'],
    ['{"binary_data_output":"yes"}', 'parameter "binary_data_output": expected true or false, got "yes"'],
    ["[]", "malformed JSON at byte 26: expected an object of parameters of the request, got ["],
  ])("%s is refused", (text, message) => {
    expect(fault(text)).toBe(`invalid-argument: ${message}`);
  });
});

describe("a reserved parameter", () => {
  test("leaves the parameters and becomes a hint", () => {
    const { parameters, hints, form } = decode(
      '{"timeout":1500,"priority":1,"sequence_id":18446744073709551615,"sequence_end":true,"binary_data_output":true,"sluice_explain":true,"k":1}',
    );
    expect([...parameters]).toEqual([["k", 1n]]);
    expect(hints).toEqual({
      timeoutMs: 1.5,
      priority: 1,
      sequence: { id: 2n ** 64n - 1n, start: false, end: true },
      sluice: new Map([["sluice_explain", true]]),
    });
    expect(form.binaryByDefault).toBe(true);
  });

  test.each(['{"timeout":0,"priority":0,"sequence_id":0,"sequence_start":true}', '{"sequence_id":""}', "{}"])(
    "%s says nothing",
    (text) => {
      expect(decode(text).hints).toEqual({ sluice: new Map() });
    },
  );
});
