// The JSON half of the Open Inference Protocol's bodies: the envelope, its limits and the outputs asked for.

import { invalid } from "../core/error.ts";
import type { CodecMemory } from "../core/protocol.ts";
import type { RequestedOutput } from "../core/request.ts";
import { NO_PARAMETERS, type Parameters } from "../core/tensor.ts";
import { skipWord } from "./json-number.ts";
import {
  excerpt,
  firstItem,
  firstKey,
  isSliceOver,
  nextItem,
  nextKey,
  openScanner,
  readText,
  type Scanner,
  STEP_BYTES,
  skipSpace,
  spend,
  syntaxError,
} from "./json-scan.ts";
import { skipValue } from "./json-skip.ts";
import { readParameters } from "./oip-parameters.ts";
import type { ReadRegion } from "./oip-regions.ts";
import type { Sliced, SliceOptions } from "./sliced.ts";
import { findInvalidUtf8 } from "./utf8.ts";

/** What a decoder refuses to go beyond. */
export interface WireLimits {
  /** Inputs of a request, and its requested outputs; outputs of an answer. */
  readonly maxInputs: number;
  /** Arrays and objects within one another, counted from the body's own. */
  readonly maxNesting: number;
  /** Elements of all tensors in JSON together; no limit when absent, since the body's size bounds them too. */
  readonly maxElements?: number;
}

/** Triton's nesting, and more inputs than any model has. */
export const DEFAULT_WIRE_LIMITS: WireLimits = { maxInputs: 1024, maxNesting: 100 };

export interface DecodeOptions extends SliceOptions {
  /** The bytes of JSON at the body's start; all of it when absent. */
  readonly headerLength?: number;
  /** FP16 in JSON are taken as numbers. */
  readonly halves?: boolean;
  /** Reads what lies in shared memory; refused when absent. */
  readonly shared?: ReadRegion;
  readonly limits: WireLimits;
  /** The heads that were read before under these limits; all are read when absent. */
  readonly heads?: CodecMemory;
}

/**
 * Reads a member of the top object, or steps over it when it is nobody's. Members of the body that are given as `null`
 * count as absent: pydantic's clients write them.
 */
export type ReadMember = (s: Scanner, key: string) => Sliced<boolean>;

/**
 * Reads the body's JSON as one object and gives what follows it.
 *
 * @throws InferError invalid-argument for text that is not JSON in UTF-8, and for a member of ours that stands twice
 */
export function* readBody(body: Uint8Array, options: DecodeOptions, readMember: ReadMember): Sliced<Uint8Array> {
  const { limits, headerLength = body.byteLength, halves: _, shared: __, heads: ___, ...slice } = options;
  if (headerLength > body.byteLength) {
    throw invalid(`expected ${headerLength} bytes of JSON, got a body of ${body.byteLength} bytes`);
  }
  const json = body.subarray(0, headerLength);
  const wrong = yield* findInvalidUtf8(json);
  if (wrong >= 0) {
    throw invalid(`malformed JSON at byte ${wrong}: expected UTF-8; other bytes go behind it (binary_data_size)`);
  }
  const s = openScanner(json, { ...slice, maxNesting: limits.maxNesting });
  checkStart(s);
  yield* readMembers(s, readMember);
  if (skipSpace(s) !== 0 || s.at < s.end) throw syntaxError(s, "the end of the text");
  return body.subarray(headerLength);
}

function* readMembers(s: Scanner, readMember: ReadMember): Sliced<void> {
  const seen = new Set<string>();
  for (let key = firstKey(s, "an object"); key !== undefined; key = nextKey(s)) {
    skipSpace(s);
    if (seen.has(key)) throw invalid(`"${key}" stands twice in the body`);
    if (!skipWord(s, "null")) {
      if (yield* readMember(s, key)) seen.add(key);
      else yield* skipValue(s, 1);
    }
    spend(s, STEP_BYTES);
    if (isSliceOver(s)) yield;
  }
}

function checkStart(s: Scanner): void {
  if (s.end >= 3 && s.text[0] === 0xef && s.text[1] === 0xbb && s.text[2] === 0xbf) {
    throw invalid("malformed JSON at byte 0: expected an object, got a byte order mark, which JSON text must not have");
  }
  if (skipSpace(s) === 0 && s.at === s.end) throw invalid("expected a JSON object, got an empty body");
}

/** Reads a string. @param label how errors name it */
export function readString(s: Scanner, label: string): string {
  if (skipSpace(s) !== 0x22) throw invalid(`${label}: expected a string, got ${excerpt(s, s.at)}`);
  return readText(s);
}

/**
 * Reads the outputs that a request asks for.
 *
 * @throws InferError invalid-argument for a name that is missing or stands twice
 */
export function* readRequestedOutputs(s: Scanner, limits: WireLimits): Sliced<readonly RequestedOutput[]> {
  const outputs: RequestedOutput[] = [];
  const names = new Set<string>();
  for (let more = firstItem(s, "an array of outputs"); more; more = nextItem(s)) {
    if (outputs.length === limits.maxInputs) throw invalid(`expected at most ${limits.maxInputs} outputs, got more`);
    const output = yield* readRequestedOutput(s, outputs.length);
    if (names.has(output.name)) throw invalid(`output "${output.name}" is already requested`);
    names.add(output.name);
    outputs.push(output);
  }
  return outputs;
}

function* readRequestedOutput(s: Scanner, index: number): Sliced<RequestedOutput> {
  let name: string | undefined;
  let parameters: Parameters | undefined;
  const label = `output ${index}`;
  for (let key = firstKey(s, `an object for ${label}`); key !== undefined; key = nextKey(s)) {
    skipSpace(s);
    if (key === "name") {
      if (name !== undefined) throw invalid(`${label}: "name" stands twice`);
      name = readString(s, `name of ${label}`);
    } else if (key === "parameters" && !skipWord(s, "null")) {
      if (parameters !== undefined) throw invalid(`${label}: "parameters" stands twice`);
      parameters = yield* readParameters(s, label);
    } else if (key !== "parameters") {
      yield* skipValue(s, 3);
    }
    spend(s, STEP_BYTES);
    if (isSliceOver(s)) yield;
  }
  if (name === undefined || name === "") throw invalid(`${label}: expected a name, got none`);
  return { name, parameters: parameters ?? NO_PARAMETERS };
}
