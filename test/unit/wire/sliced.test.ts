// Sliced work: large bodies stop about every 128 KiB, small ones never, and no step grows with the body.

import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../core/tensor.ts";
import { decodeRequest, encodeResponse, JSON_FORM } from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { isDue, openPace, runNow, SLICE_BYTES, type Sliced } from "../../../wire/sliced.ts";
import { findInvalidUtf8 } from "../../../wire/utf8.ts";

function count(work: Sliced<unknown>): number {
  for (let slices = 1; ; slices++) if (work.next().done) return slices;
}

const request = (data: string, datatype: string, size: number) =>
  Buffer.from(`{"inputs":[{"name":"x","shape":[${size}],"datatype":"${datatype}","data":[${data}]}]}`);

const answer = (output: Tensor) =>
  encodeResponse(
    { kind: "whole", model: { name: "m", version: "1" }, outputs: [output], parameters: new Map() },
    { form: JSON_FORM },
  );

const numbers = Array.from({ length: 100_000 }, (_, i) => (i % 1000) / 1024);

describe("sliced work", () => {
  test("gives its result at once when it is run to its end", () => {
    function* work(): Sliced<number> {
      yield;
      yield;
      return 7;
    }
    expect(runNow(work())).toBe(7);
  });

  test("is due whenever the bytes of a slice are spent", () => {
    const pace = openPace({ sliceBytes: 10 });
    expect([4, 5, 1, 9, 1, 25, 1].map((bytes) => isDue(pace, bytes))).toEqual([
      false,
      false,
      true,
      false,
      true,
      true,
      false,
    ]);
  });

  test("never stops on a small body", () => {
    expect(count(decodeRequest(request("1,2,3", "FP32", 3), { limits }))).toBe(1);
    expect(count(answer({ name: "y", datatype: "FP32", shape: [100], data: new Uint8Array(400) }))).toBe(1);
  });

  test("stops once a slice of numbers, read or written", () => {
    const body = request(numbers.join(","), "FP32", numbers.length);
    const slices = Math.floor(body.length / SLICE_BYTES);
    expect(slices).toBe(9);
    // one more since the UTF-8 check stops after its first megabyte, and the rest
    expect(count(decodeRequest(body, { limits }))).toBe(slices + 2);
    const data = new Uint8Array(Float64Array.from(numbers).buffer);
    const written = count(answer({ name: "y", datatype: "FP64", shape: [numbers.length], data }));
    expect([written, Math.ceil(numbers.join(",").length / SLICE_BYTES)]).toEqual([9, 10]);
  });

  test("stops within one long string, read or written", () => {
    const text = "é".repeat(SLICE_BYTES * 2);
    const decoding = decodeRequest(request(`"${text}"`, "BYTES", 1), { limits });
    // the string is stepped over once and copied once
    expect(count(decoding)).toBe(9);
    const data = runNow(decodeRequest(request(`"${text}"`, "BYTES", 1), { limits })).inputs[0]!.data;
    expect(count(answer({ name: "y", datatype: "BYTES", shape: [1], data }))).toBe(5);
  });

  test("stops more often where members cost more than their bytes", () => {
    const members = '"a":1,'.repeat(20_000);
    expect(count(decodeRequest(Buffer.from(`{${members}"inputs":[]}`), { limits }))).toBe(11);
  });

  test("stops within an unknown member, and within the lengths of a BYTES blob", () => {
    const unknown = Buffer.from(`{"a":[${'{"b":"c"},'.repeat(50_000)}1],"inputs":[]}`);
    expect(count(decodeRequest(unknown, { limits }))).toBe(4);
    const json =
      '{"inputs":[{"name":"x","shape":[131072],"datatype":"BYTES","parameters":{"binary_data_size":524288}}]}';
    const body = Buffer.concat([Buffer.from(json), Buffer.alloc(524288)]);
    expect(count(decodeRequest(body, { headerLength: json.length, limits }))).toBe(5);
  });
});

describe("the UTF-8 check", () => {
  test("finds the first wrong byte, also across its chunks, and stops between them", () => {
    const mega = 1024 * 1024;
    const text = Buffer.from("€".repeat(mega));
    expect(count(findInvalidUtf8(text))).toBe(4);
    expect(runNow(findInvalidUtf8(text))).toBe(-1);
    for (const at of [0, 1, 2, mega - 1, mega, mega + 1, 2 * mega + 2, 3 * mega - 1]) {
      const bad = Buffer.from(text);
      bad[at] = 0xff;
      expect(runNow(findInvalidUtf8(bad))).toBe(at - (at % 3));
    }
  });

  test.each([
    ["c080", 0],
    ["41eda080", 1],
    ["f4908080", 0],
    ["f0808080", 0],
    ["e0808041", 0],
    ["41e282", 1],
    ["80", 0],
    ["f09f9880", -1],
    ["", -1],
  ])("%s is wrong at %i", (hex, at) => {
    expect(runNow(findInvalidUtf8(Buffer.from(hex, "hex")))).toBe(at);
  });
});
