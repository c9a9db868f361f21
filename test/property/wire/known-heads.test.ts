// A request whose head was read before is what it would be if it were read again: the same request, or the same refusal.

import { describe, expect, test } from "vitest";
import { openCodecMemory } from "../../../core/codec-memory.ts";
import type { CodecMemory } from "../../../core/protocol.ts";
import { decodeRequest } from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { runNow } from "../../../wire/sliced.ts";
import { pick, seeded } from "./seeded.ts";

const input = (name: string, shape: number[], datatype: string, size?: number) => ({
  name,
  shape,
  datatype,
  ...(size === undefined ? { data: [1, 2, 3, 4].slice(0, shape[0]) } : { parameters: { binary_data_size: size } }),
});

/** Heads that may be remembered, and all whose blobs or words forbid it. */
const HEADS: readonly string[] = [
  { inputs: [input("x", [2, 2], "FP32", 16)] },
  { inputs: [input("x", [1, 4], "FP32", 16)] },
  { inputs: [input("x", [8], "FP16", 16)], outputs: [{ name: "y", parameters: { binary_data: true } }] },
  { inputs: [input("a", [3], "INT16", 6), input("b", [2], "FP64", 16)], parameters: { timeout: 5, p: 1.5 } },
  { inputs: [input("a", [0], "INT16", 0), input("b", [2], "FP64", 16)], parameters: { binary_data_output: true } },
  { id: "7", inputs: [input("x", [2, 2], "FP32", 16)] },
  { inputs: [input("t", [2], "BYTES", 11)] },
  { inputs: [input("j", [4], "INT32"), input("x", [2, 2], "FP32", 16)] },
  { inputs: [input("x", [2, 2], "FP32", 15)] },
  { inputs: [input("x", [2, 2], "FP32", 16), input("x", [2, 2], "FP32", 16)] },
].map((head) => JSON.stringify(head));

const BYTES = Buffer.from("\u0001\0\0\0a\u0002\0\0\0zz\u0001\0\u0002\0\u0003\0\u0004\0\u0005\0", "latin1");

function outcome(body: Buffer, headerLength: number, heads?: CodecMemory): unknown {
  try {
    return runNow(decodeRequest(body, { headerLength, limits, ...(heads === undefined ? {} : { heads }) }));
  } catch (error) {
    return `${error}`;
  }
}

function check(heads: CodecMemory, rounds: number): { readonly read: number; readonly refused: number } {
  const random = seeded(12);
  let [read, refused] = [0, 0];
  for (let i = 0; i < rounds; i += 1) {
    const head = pick(random, HEADS);
    // mostly of the length that the head wants, so that it is found and every other check decides
    const blobs = Buffer.from(BYTES.subarray(0, pick(random, [16, 16, 16, 22, 11, 15, 17, 0, 6])));
    for (let at = 0; at < blobs.length; at += 1) if (random() % 9 === 0) blobs[at] = random() & 0xff;
    // now and then with its end in the wrong place
    const length = head.length + pick(random, [0, 0, 0, 0, 0, 0, 0, -1, 1]);
    const body = Buffer.concat([Buffer.from(head), blobs]);
    if (length > body.length) continue;
    const wanted = outcome(body, length);
    if (typeof wanted === "string") refused += 1;
    else read += 1;
    expect(outcome(body, length, heads), head).toEqual(wanted);
  }
  return { read, refused };
}

describe("heads that were read before", () => {
  test("20,000 bodies are read and refused as if each head were read anew", () => {
    const { read, refused } = check(openCodecMemory(), 20_000);
    expect(read).toBeGreaterThan(2_500);
    expect(refused).toBeGreaterThan(5_000);
  });

  test("the same with a memory that is begun anew all the time", () => {
    check(openCodecMemory(2), 5_000);
  });

  test("seeded defect: a memory that gives what lies under the beginning of a key is caught", () => {
    const memory = openCodecMemory();
    const worn: CodecMemory = {
      get: (key) => memory.get(key.slice(0, 34)),
      set: (key, value) => memory.set(key.slice(0, 34), value),
    };
    expect(() => check(worn, 5_000)).toThrow();
  });

  test("the bytes of a known request are its own body's, and a head is read once", () => {
    const heads = openCodecMemory();
    let kept = 0;
    const counting: CodecMemory = {
      get: (key) => heads.get(key),
      set(key, value) {
        kept += 1;
        heads.set(key, value);
      },
    };
    const head = HEADS[0] as string;
    const bodies = [1, 2, 3].map((n) => Buffer.concat([Buffer.from(head), Buffer.alloc(16, n)]));
    const read = bodies.map(
      (body) => outcome(body, head.length, counting) as { inputs: readonly { readonly data: Uint8Array }[] },
    );
    expect(read.map(({ inputs }) => inputs[0]?.data[5])).toEqual([1, 2, 3]);
    expect(read.map(({ inputs }, i) => inputs[0]?.data.buffer === bodies[i]?.buffer)).toEqual([true, true, true]);
    expect(kept).toBe(1);
  });
});
