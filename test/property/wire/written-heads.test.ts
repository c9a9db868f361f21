// An answer behind a head that was written before is what it would be if its head were written again, byte for byte.

import { describe, expect, test } from "vitest";
import { openCodecMemory } from "../../../core/codec-memory.ts";
import type { CodecMemory } from "../../../core/protocol.ts";
import type { InferResponse } from "../../../core/request.ts";
import type { Datatype, ParameterValue, Tensor } from "../../../core/tensor.ts";
import { type AnswerForm, encodeResponse } from "../../../wire/oip-binary.ts";
import type { EncodedBody } from "../../../wire/oip-write.ts";
import { findWritten, keepWritten, type Written } from "../../../wire/oip-written.ts";
import { runNow } from "../../../wire/sliced.ts";
import { pick, seeded } from "./seeded.ts";

type Random = () => number;

const SHAPES: readonly (readonly number[])[] = [[2, 2], [4], [1, 4], [4, 1], [0], [2], []];
const SIZES: readonly (readonly [Datatype, number])[] = [
  ["FP32", 4],
  ["INT32", 4],
  ["INT16", 2],
  ["BOOL", 1],
];

const parametersFor = (random: Random) => new Map<string, ParameterValue>(random() % 8 === 0 ? [["p", 1n]] : []);

function tensorFrom(random: Random): Tensor {
  const shape = pick(random, SHAPES);
  const [datatype, size] = pick(random, SIZES);
  const data = new Uint8Array(shape.reduce((all, one) => all * one, size)).map(() => random() % 2);
  const parameters = random() % 8 === 0 ? { parameters: parametersFor(random) } : {};
  return { name: pick(random, ["y", "y", 'y"', "z"]), datatype, shape, data, ...parameters };
}

/** Half of them are the one before with other elements. */
function answersFrom(random: Random): () => Written {
  let last = answerFrom(random);
  return () => {
    if (random() % 2 === 0) last = answerFrom(random);
    const { response } = last;
    const outputs = response.outputs.map((one) => ({ ...one, data: one.data.map(() => random() % 2) }));
    return { ...last, response: { ...response, outputs } };
  };
}

function answerFrom(random: Random): Written {
  const outputs = Array.from({ length: random() % 8 === 0 ? random() % 3 : 1 }, () => tensorFrom(random));
  const model = { name: pick(random, ["m", "m", "n", "m 1"]), version: pick(random, ["1", "1", "2"]) };
  const response: InferResponse = { kind: "whole", model, outputs, parameters: parametersFor(random) };
  const binary = new Map(random() % 8 === 0 ? [["y", random() % 2 === 0]] : []);
  const form: AnswerForm = { binaryByDefault: random() % 8 > 0, binary };
  return { response, form, id: random() % 8 === 0 ? pick(random, ["a", "b", ""]) : undefined };
}

function encoded({ response, form, id }: Written): EncodedBody {
  return runNow(encodeResponse(response, { form, ...(id === undefined ? {} : { id }) }));
}

const bytesOf = ({ parts, headerLength }: EncodedBody) => ({
  text: Buffer.concat(parts).toString("latin1"),
  headerLength,
});

/** @returns how many were found */
function check(memory: CodecMemory, rounds: number): number {
  const next = answersFrom(seeded(7));
  let found = 0;
  for (let i = 0; i < rounds; i += 1) {
    const answer = next();
    const wanted = encoded(answer);
    const known = findWritten(answer, memory);
    if (known !== undefined) {
      found += 1;
      expect(bytesOf(known)).toEqual(bytesOf(wanted));
    }
    keepWritten(answer, wanted, memory);
  }
  return found;
}

describe("answers whose heads were written before", () => {
  test("20,000 are what they would be if each head were written anew", () => {
    expect(check(openCodecMemory(), 20_000)).toBeGreaterThan(4_000);
  });

  test("seeded defect: a memory that gives the head of another model or version is caught", () => {
    const memory = openCodecMemory();
    const worn: CodecMemory = { get: () => memory.get("one"), set: (_, value) => memory.set("one", value) };
    expect(() => check(worn, 5_000)).toThrow();
  });

  test("share the head's bytes and the outputs' own", () => {
    const memory = openCodecMemory();
    const data = new Uint8Array([1, 2, 3, 4]);
    const output: Tensor = { name: "y", datatype: "FP32", shape: [1], data };
    const response: InferResponse = {
      kind: "whole",
      model: { name: "m", version: "1" },
      outputs: [output],
      parameters: new Map(),
    };
    const answer: Written = { response, form: { binaryByDefault: true, binary: new Map() }, id: undefined };
    expect(findWritten(answer, memory)).toBeUndefined();
    keepWritten(answer, encoded(answer), memory);
    expect(findWritten(answer, memory)?.parts[0]).toBe(findWritten(answer, memory)?.parts[0]);
    expect(findWritten(answer, memory)?.parts[1]).toBe(data);
  });
});
