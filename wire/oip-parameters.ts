// Parameters of the Open Inference Protocol in JSON, and the reserved ones among them that concern the caller, not the
// question.

import type { Sequence } from "../core/call.ts";
import { type InferError, invalid } from "../core/error.ts";
import type { Hints } from "../core/hints.ts";
import type { RegionPart } from "../core/operator.ts";
import type { RequestedOutput } from "../core/request.ts";
import type { Parameters, ParameterValue } from "../core/tensor.ts";
import { readDouble, skipNumber, skipWord } from "./json-number.ts";
import {
  excerpt,
  firstKey,
  isSliceOver,
  nextKey,
  readText,
  type Scanner,
  STEP_BYTES,
  skipSpace,
  spend,
  syntaxError,
} from "./json-scan.ts";
import { takeRegion } from "./oip-regions.ts";
import type { Sliced } from "./sliced.ts";

/** More parameters than this in one object are refused. */
export const MAX_PARAMETERS = 1024;

/**
 * Reads an object of parameters. An integer without fraction or exponent becomes a bigint, any other number a double.
 *
 * @param of `the request` or `input "x"`: how errors name their owner
 * @throws InferError invalid-argument for a value that is an object, an array or null, an integer beyond 64 bits, a key
 * that stands twice, or over 1,024 keys
 */
export function* readParameters(s: Scanner, of: string): Sliced<Map<string, ParameterValue>> {
  const parameters = new Map<string, ParameterValue>();
  for (let key = firstKey(s, `an object of parameters of ${of}`); key !== undefined; key = nextKey(s)) {
    if (parameters.has(key)) throw invalid(`parameter "${key}" of ${of} stands twice`);
    if (parameters.size === MAX_PARAMETERS) throw invalid(`${of} has over ${MAX_PARAMETERS} parameters`);
    parameters.set(key, readValue(s, `parameter "${key}" of ${of}`));
    spend(s, STEP_BYTES);
    if (isSliceOver(s)) yield;
  }
  return parameters;
}

function readValue(s: Scanner, label: string): ParameterValue {
  const byte = skipSpace(s);
  if (byte === 0x22) return readText(s);
  if (skipWord(s, "true")) return true;
  if (skipWord(s, "false")) return false;
  const from = s.at;
  const kind = skipNumber(s);
  if (kind === "integer") {
    const value = BigInt(s.text.toString("latin1", from, s.at));
    if (value >= -(2n ** 63n) && value < 2n ** 64n) return value;
    throw invalid(`${label}: expected an integer of 64 bits at most, got ${excerpt(s, from)}`);
  }
  s.at = from;
  const value = kind === "none" ? undefined : readDouble(s);
  if (value !== undefined) return value;
  const got = GOT[byte];
  if (got === undefined && kind === "none") throw syntaxError(s, "a value");
  throw invalid(`${label}: expected a string, a boolean or a number, got ${got ?? excerpt(s, from)}`);
}

// by first byte
const GOT: Readonly<Record<number, string>> = { 123: "an object", 91: "an array", 110: "null" };

/** What the parameters of a request say, the reserved ones apart. */
export interface LiftedParameters {
  readonly parameters: Parameters;
  readonly hints: Hints;
  /** `binary_data_output`: outputs go binary unless they say otherwise. */
  readonly binaryByDefault: boolean;
}

/**
 * Takes the reserved parameters out: `timeout` (microseconds, 0 for none), `priority`, `sequence_id` (0 and "" for
 * none), `sequence_start`, `sequence_end`, `binary_data_output` and everything that begins with `sluice_`.
 *
 * @throws InferError invalid-argument for a reserved one of the wrong type, and for names that begin with `triton_`, as
 * Triton
 */
export function liftParameters(all: Parameters, id: string | undefined): LiftedParameters {
  const parameters = new Map<string, ParameterValue>();
  const sluice = new Map<string, ParameterValue>();
  for (const [key, value] of all) {
    if (key.startsWith("triton_")) throw invalid(`parameter "${key}": names that begin with triton_ are reserved`);
    if (key.startsWith("sluice_")) sluice.set(key, value);
    else if (!RESERVED.has(key)) parameters.set(key, value);
  }
  const timeoutMs = Number(wholeNumber(all, "timeout") ?? 0n) / 1000;
  const priority = Number(wholeNumber(all, "priority") ?? 0n);
  const sequence = sequenceOf(all);
  return {
    parameters,
    binaryByDefault: flag(all, "binary_data_output") ?? false,
    hints: {
      sluice,
      ...(id === undefined ? {} : { id }),
      ...(timeoutMs === 0 ? {} : { timeoutMs }),
      ...(priority === 0 ? {} : { priority }),
      ...(sequence === undefined ? {} : { sequence }),
    },
  };
}

const RESERVED: ReadonlySet<string> = new Set([
  "timeout",
  "priority",
  "sequence_id",
  "sequence_start",
  "sequence_end",
  "binary_data_output",
]);

function sequenceOf(all: Parameters): Sequence | undefined {
  const id = all.get("sequence_id");
  const start = flag(all, "sequence_start") ?? false;
  const end = flag(all, "sequence_end") ?? false;
  if (id === undefined || id === 0n || id === "") return undefined;
  if (typeof id === "string") return { id, start, end };
  if (typeof id === "bigint" && id > 0n) return { id, start, end };
  throw wrongType({ all, key: "sequence_id" }, "a string or a whole number of at least 0");
}

/**
 * A whole number in [0, 2^53); undefined when the parameter is absent.
 *
 * @param of who has the parameters, when not the request
 */
export function wholeNumber(all: Parameters, key: string, of?: string): bigint | undefined {
  const value = all.get(key);
  if (value === undefined) return undefined;
  if (typeof value === "bigint" && value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return value;
  throw wrongType({ all, key, of }, "a whole number in [0, 2^53)");
}

function flag(all: Parameters, key: string, of?: string): boolean | undefined {
  const value = all.get(key);
  if (value === undefined || typeof value === "boolean") return value;
  throw wrongType({ all, key, of }, "true or false");
}

interface Wrong {
  readonly all: Parameters;
  readonly key: string;
  readonly of?: string | undefined;
}

function wrongType(wrong: Wrong, expected: string): InferError {
  const value = wrong.all.get(wrong.key);
  const got = typeof value === "string" ? JSON.stringify(value.slice(0, 24)) : String(value);
  const owner = wrong.of === undefined ? "" : ` of ${wrong.of}`;
  return invalid(`parameter "${wrong.key}"${owner}: expected ${expected}, got ${got}`);
}

/**
 * Takes `binary_data` and where in shared memory they are wanted out of the parameters of the outputs asked for.
 *
 * @throws InferError invalid-argument when one of them is not of its kind
 */
export function liftOutputs(asked: readonly RequestedOutput[]) {
  const binary = new Map<string, boolean>();
  const regions = new Map<string, RegionPart>();
  const outputs = asked.map((output): RequestedOutput => {
    const { name } = output;
    if (output.parameters.size === 0) return output;
    const { part, rest: parameters } = takeRegion(output.parameters, `output "${name}"`);
    if (part !== undefined) regions.set(name, part);
    const isBinary = flag(parameters, "binary_data", `output "${name}"`);
    if (isBinary === undefined) return { name, parameters };
    binary.set(name, isBinary);
    return { name, parameters: new Map([...parameters].filter(([key]) => key !== "binary_data")) };
  });
  return { outputs, binary, regions };
}

/** The parameters of a request with the reserved ones back among them; `binary_data_output` only when it is true. */
export function lowerParameters(
  parameters: Parameters,
  reserved: Omit<Hints, "id"> & { readonly binaryByDefault: boolean },
): Parameters {
  const { sequence, priority, timeoutMs, sluice, binaryByDefault } = reserved;
  const all = new Map<string, ParameterValue>();
  if (sequence !== undefined) {
    all.set("sequence_id", sequence.id);
    all.set("sequence_start", sequence.start);
    all.set("sequence_end", sequence.end);
  }
  if (priority !== undefined) all.set("priority", BigInt(priority));
  if (timeoutMs !== undefined) all.set("timeout", BigInt(Math.max(1, Math.round(timeoutMs * 1000))));
  for (const [key, value] of sluice) all.set(key, value);
  for (const [key, value] of parameters) all.set(key, value);
  if (binaryByDefault) all.set("binary_data_output", true);
  return all;
}
