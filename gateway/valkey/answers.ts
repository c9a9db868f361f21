// Kept answers as bytes and back: a head as JSON, then the outputs' data one after the other.

import type { InferResponse } from "../../core/request.ts";
import { type Datatype, NO_PARAMETERS, type Parameters, type ParameterValue, type Tensor } from "../../core/tensor.ts";
import type { StoredAnswer } from "../../policies/cache/second-level.ts";

/** An answer and the generations that it was kept under. */
export interface KeptAnswer {
  readonly generations: readonly string[];
  readonly stored: StoredAnswer;
}

type ParameterWords = readonly (readonly [name: string, type: "s" | "b" | "i" | "d", value: string])[];

/** What stands in a value before its data. Short words: small answers are most of what is kept. */
interface Head {
  readonly g: readonly string[];
  readonly h: string;
  readonly p: string;
  /** Made at, fresh for, kept for. */
  readonly t: readonly [number, number, number];
  readonly m: readonly [name: string, version: string];
  readonly a: ParameterWords;
  readonly o: readonly OutputWords[];
}

type OutputWords = readonly [
  name: string,
  datatype: Datatype,
  shape: readonly number[],
  bytes: number,
  parameters?: ParameterWords,
];

/** Bytes of all outputs' data. */
export function dataBytes(answer: InferResponse): number {
  return answer.outputs.reduce((sum, { data }) => sum + data.byteLength, 0);
}

/** The head of the answer as text. */
export function headText({ generations, stored }: KeptAnswer): string {
  const { answer, head, proof, madeAt, freshMs, keepMs } = stored;
  const words: Head = {
    g: generations,
    h: head,
    p: Buffer.from(proof).toString("base64"),
    t: [madeAt, freshMs, keepMs],
    m: [answer.model.name, answer.model.version],
    a: parameterWords(answer.parameters),
    o: answer.outputs.map(outputWords),
  };
  return JSON.stringify(words);
}

/**
 * The answer again; its outputs are views of `data`. Undefined where head and data do not belong together.
 *
 * @param text what `headText` made
 */
export function readAnswer(text: string, data: Uint8Array): KeptAnswer | undefined {
  const words = JSON.parse(text) as Head;
  let at = 0;
  const outputs = words.o.map(([name, datatype, shape, bytes, parameters]): Tensor => {
    const tensor = { name, datatype, shape, data: data.subarray(at, at + bytes) };
    at += bytes;
    return parameters === undefined ? tensor : { ...tensor, parameters: readParameters(parameters) };
  });
  if (at !== data.byteLength) return undefined;
  const [madeAt, freshMs, keepMs] = words.t;
  const [name, version] = words.m;
  const answer: InferResponse = {
    kind: "whole",
    model: { name, version },
    outputs,
    parameters: words.a.length === 0 ? NO_PARAMETERS : readParameters(words.a),
  };
  // bytes of its own: as a buffer it would hold the pool that it lies in for as long as it is kept
  const proof = Uint8Array.from(Buffer.from(words.p, "base64"));
  return { generations: words.g, stored: { answer, head: words.h, proof, madeAt, freshMs, keepMs } };
}

function outputWords({ name, datatype, shape, data, parameters }: Tensor): OutputWords {
  const words = [name, datatype, shape, data.byteLength] as const;
  return parameters === undefined ? words : [...words, parameterWords(parameters)];
}

function parameterWords(parameters: Parameters): ParameterWords {
  return [...parameters].map(([name, value]) => [name, typeOf(value), textOf(value)]);
}

function typeOf(value: ParameterValue): ParameterWords[number][1] {
  if (typeof value === "string") return "s";
  if (typeof value === "boolean") return "b";
  return typeof value === "bigint" ? "i" : "d";
}

// JSON has no integers of 64 bits, no NaN and no -0
function textOf(value: ParameterValue): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function readParameters(words: ParameterWords): Parameters {
  return new Map(words.map(([name, type, text]) => [name, readValue(type, text)]));
}

function readValue(type: ParameterWords[number][1], text: string): ParameterValue {
  switch (type) {
    case "s":
      return text;
    case "b":
      return text === "true";
    case "i":
      return BigInt(text);
    case "d":
      return Number(text);
    default:
      return type satisfies never;
  }
}
