// Bodies of the Open Inference Protocol, damaged at random: each is read or refused in the house's words, never
// anything else.

import { describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import { type Datatype, joinBytesElements, type Tensor } from "../../../core/tensor.ts";
import { decodeRequest } from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { runNow, type Sliced } from "../../../wire/sliced.ts";
import { pick, seeded } from "./seeded.ts";

const seeds: readonly Buffer[] = [
  `{"id":"a\\u00e9","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1, 2.5e-3],[-0.12345678901234567,NaN]]}]}`,
  `{"inputs":[{"name":"a","shape":[3],"datatype":"INT64","data":[1,-9223372036854775808,9007199254740993]},{"data":[true,false],"datatype":"BOOL","shape":[2],"name":"b"}],"outputs":[{"name":"y","parameters":{"binary_data":true,"classification":3}}]}`,
  `{"inputs":[{"name":"t","shape":[2,1],"datatype":"BYTES","data":[["a\\n\\ud83d\\ude00"],["é"]]}],"parameters":{"timeout":500,"priority":2,"sequence_id":7,"sequence_start":true,"p":1.5,"s":"t","sluice_x":1}}`,
  `{"model_name":"m","extra":{"a":[1,{"b":null}],"c":"\\"x"},"inputs":[{"name":"d","shape":[],"datatype":"FP64","data":-1e-7},{"name":"e","shape":[0,3],"datatype":"UINT8","data":[]}]}`,
  `{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":"r","shared_memory_byte_size":4}}],"outputs":[]}`,
  `{"inputs":[{"name":"X","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}},{"name":"Y","shape":[2],"datatype":"INT16","parameters":{"binary_data_size":4}}]}\u0001\0\0\0a\u0002\0\0\0zz\u0001\0\u0002\0`,
].map((text) => Buffer.from(text));

const pieces = [
  ...[
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    '"',
    "\\",
    "\\u",
    "\\ud800",
    "-",
    ".",
    "e",
    "0",
    "1",
    "9".repeat(30),
    "1e400",
    "NaN",
  ],
  ...[
    "Infinity",
    "null",
    "true",
    "\0",
    "\u00ff",
    '"data"',
    '"shape"',
    '"parameters":{}',
    "[".repeat(120),
    " ",
    "-1",
    "1.0",
  ],
  ...['"binary_data_size":', "18446744073709551616", "4294967295", '"shared_memory_region":"r"', "\ufeff", "e+", "00"],
].map((text) => Buffer.from(text));

function damage(random: () => number, body: Buffer): Buffer {
  const at = random() % (body.length + 1);
  const to = Math.min(body.length, at + (random() % 8));
  switch (random() % 6) {
    case 0:
      return Buffer.concat([body.subarray(0, at), pick(random, pieces), body.subarray(at)]);
    case 1:
      return Buffer.concat([body.subarray(0, at), pick(random, pieces), body.subarray(to)]);
    case 2:
      return Buffer.concat([body.subarray(0, at), body.subarray(to)]);
    case 3:
      return Buffer.concat([body.subarray(0, to), body.subarray(at)]);
    case 4:
      return body.subarray(0, at);
    default: {
      const copy = Buffer.from(body);
      if (at < copy.length) copy[at] = random() & 0xff;
      return copy;
    }
  }
}

const ALLOWED = new Set(["invalid-argument", "unsupported", "too-large"]);

/** Runs work that must end: `read`, or the code of the error. Any other error, or too many slices, is thrown on. */
function outcome(work: Sliced<unknown>, maxSlices: number): string {
  try {
    for (let slices = 0; slices < maxSlices; slices++) if (work.next().done) return "read";
  } catch (error) {
    if (error instanceof InferError && ALLOWED.has(error.code)) {
      expect(error.message).not.toMatch(/undefined|NaN bytes|\[object/);
      return error.code;
    }
    throw error;
  }
  throw new Error("it does not end");
}

function run(count: number, decode: (body: Buffer, options: Parameters<typeof decodeRequest>[1]) => Sliced<unknown>) {
  const random = seeded(11);
  const outcomes: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    let body = pick(random, seeds);
    for (let n = 1 + (random() % 3); n > 0; n--) body = damage(random, body);
    const end = body.indexOf("}]}") + 3;
    const options = {
      limits: { ...limits, maxElements: 1000 },
      ...(random() % 2 === 0 ? { headerLength: random() % 3 === 0 ? random() % (body.length + 2) : end } : {}),
      ...(random() % 2 === 0 ? { sliceBytes: 1 + (random() % 9) } : {}),
    };
    const said = outcome(decode(body, options), 3 * body.length + 10);
    outcomes[said] = (outcomes[said] ?? 0) + 1;
  }
  return outcomes;
}

function readBoth(body: Buffer) {
  try {
    const theirs: { inputs: { name: string; data: unknown }[] } = JSON.parse(body.toString());
    return { theirs, ours: runNow(decodeRequest(body, { limits, sliceBytes: 5 })) };
  } catch {
    return undefined;
  }
}

/**
 * The elements' canonical bytes, made the plain way; 64-bit integers as JSON.parse gives them, which is near enough
 * here.
 */
function reference(datatype: Datatype, data: unknown): string {
  const flat = [data].flat(9);
  switch (datatype) {
    case "FP32":
      return Buffer.from(Float32Array.from(flat as number[]).buffer).toString("hex");
    case "FP64":
      return Buffer.from(Float64Array.from(flat as number[]).buffer).toString("hex");
    case "INT64":
      return Array.from(flat as number[], Number).join();
    case "BYTES":
      return Buffer.from(joinBytesElements(flat.map((text) => Buffer.from(text as string)))).toString("hex");
    default:
      return Buffer.from(flat as number[]).toString("hex");
  }
}

function shown({ datatype, data }: Tensor): string {
  if (datatype !== "INT64") return Buffer.from(data).toString("hex");
  return Array.from(new BigInt64Array(Uint8Array.from(data).buffer), Number).join();
}

describe("a damaged request", () => {
  test("is read or refused, 20,000 times, in bounded steps", () => {
    const outcomes = run(20_000, decodeRequest);
    expect(Object.values(outcomes).reduce((sum, n) => sum + n, 0)).toBe(20_000);
    expect(outcomes.read).toBeGreaterThan(500);
    expect(outcomes["invalid-argument"]).toBeGreaterThan(10_000);
    expect(outcomes.unsupported).toBeGreaterThan(0);
  });

  test("that JSON.parse can read too is read as it says", () => {
    const random = seeded(12);
    let compared = 0;
    for (let i = 0; i < 20_000; i++) {
      const body = damage(random, pick(random, seeds.slice(0, 4)));
      const read = readBoth(body);
      if (read === undefined) continue;
      compared += 1;
      for (const [index, input] of read.ours.inputs.entries()) {
        const { name, data } = read.theirs.inputs[index]!;
        expect(input.name).toBe(name);
        expect([name, shown(input)]).toEqual([name, reference(input.datatype, data)]);
      }
    }
    expect(compared).toBeGreaterThan(1000);
  });

  test("would be caught if the decoder threw something else, or never ended", () => {
    function* rude(body: Buffer): Sliced<unknown> {
      yield;
      return JSON.parse(body.toString());
    }
    expect(() => run(100, rude)).toThrow(SyntaxError);
    function* endless(): Sliced<unknown> {
      for (;;) yield;
    }
    expect(() => run(1, endless)).toThrow("it does not end");
  });
});
