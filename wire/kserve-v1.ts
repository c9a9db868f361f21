// The V1 protocol of KServe: rows under `instances`, answers under `predictions`, both ways; TorchServe takes the same.

import { InferError, invalid } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import { type ReadTensors, type RowSpec, readColumns, readRows } from "./json-rows.ts";
import { type WriteRows, writeRows } from "./json-rows-write.ts";
import type { Scanner } from "./json-scan.ts";
import { skipSpace } from "./json-scan.ts";
import { finishWriter, openWriter, put } from "./json-write.ts";
import { DEFAULT_WIRE_LIMITS, readBody, type WireLimits } from "./oip-json.ts";
import { openPace, type Sliced, type SliceOptions } from "./sliced.ts";

/** The only Content-Type that KServe takes for JSON: with `; charset=utf-8` behind it the body is not parsed. */
export const JSON_TYPE = "application/json";

/** How rows are written. */
export interface RowForm {
  /** Values without names, which one tensor may have, or objects of named values; `bare` for one tensor when absent. */
  readonly rows?: "bare" | "named";
  /** NaN and infinities; KServe answers them with a 400, so they are refused when absent. */
  readonly odd?: WriteRows["odd"];
}

/** What is known before a body is read. */
export interface KnownRows {
  /** The tensors of the signature; absent where nothing is known and types are inferred. */
  readonly specs?: readonly RowSpec[];
  readonly limits?: WireLimits;
}

/** The name of the only tensor where neither a signature nor the body names it. */
export const BARE_NAMES = { input: "input", output: "output" } as const;

/**
 * Writes `{"instances": [...]}`: one row for each of the first dimension. Floats keep a fraction, `3.0`, because Python
 * tells integers from floats by it; BYTES that are no UTF-8 are `{"b64": "..."}`.
 *
 * @throws InferError unsupported for tensors without equal first dimensions, FP16 and BF16, NaN and infinities
 */
export function encodeRequest(
  inputs: readonly Tensor[],
  form: RowForm = {},
  options: SliceOptions = {},
): Sliced<readonly Uint8Array[]> {
  return writeEnvelope("instances", inputs, { ...form, word: "input", options });
}

/** Writes `{"predictions": [...]}`, as `encodeRequest` writes instances. */
export function encodeResponse(
  outputs: readonly Tensor[],
  form: RowForm = {},
  options: SliceOptions = {},
): Sliced<readonly Uint8Array[]> {
  return writeEnvelope("predictions", outputs, { ...form, word: "output", options });
}

interface Envelope extends RowForm {
  readonly word: "input" | "output";
  readonly options: SliceOptions;
}

function* writeEnvelope(
  member: string,
  tensors: readonly Tensor[],
  { rows, odd, word, options }: Envelope,
): Sliced<readonly Uint8Array[]> {
  const w = openWriter();
  put(w, `{"${member}":`);
  yield* writeRows(w, tensors, {
    word,
    pace: openPace(options),
    form: rows ?? (tensors.length === 1 ? "bare" : "named"),
    floats: "fraction",
    odd: odd ?? "refuse",
    bytes: "either",
  });
  put(w, "}");
  return finishWriter(w).parts;
}

/**
 * Reads `{"instances": [...]}`, or `inputs`, which KServe's own models take for it. Other members are left alone.
 *
 * @throws InferError invalid-argument for a body without either, and all that `readRows` refuses
 */
export function* decodeRequest(
  body: Uint8Array,
  known: KnownRows = {},
  options: SliceOptions = {},
): Sliced<readonly Tensor[]> {
  return yield* readEnvelope(body, ["instances", "inputs"], { ...known, word: "input", options });
}

/**
 * Reads `{"predictions": ...}`: rows, or an object of columns. Outputs that the signature does not have are left out.
 *
 * @throws InferError bad-backend for a body without predictions, or predictions other than the signature's
 */
export function* decodeResponse(
  body: Uint8Array,
  known: KnownRows = {},
  options: SliceOptions = {},
): Sliced<readonly Tensor[]> {
  try {
    return yield* readEnvelope(body, ["predictions"], { ...known, word: "output", options });
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    throw new InferError("bad-backend", `the backend's answer cannot be read: ${error.message}`, { cause: error });
  }
}

interface Reading extends KnownRows {
  readonly word: "input" | "output";
  readonly options: SliceOptions;
}

/** The rows of a body as far as they have been read. */
interface ReadEnvelope {
  /** The names under which they may stand. */
  readonly members: readonly string[];
  readonly place: Omit<RowPlace, "label">;
  found: { readonly member: string; readonly tensors: readonly Tensor[] } | undefined;
}

function* readEnvelope(body: Uint8Array, members: readonly string[], reading: Reading): Sliced<readonly Tensor[]> {
  const { limits = DEFAULT_WIRE_LIMITS, options } = reading;
  const read: ReadEnvelope = { members, place: { ...reading, limits, depth: 1 }, found: undefined };
  yield* readBody(body, { ...options, limits }, (s, key) => readMember(s, key, read));
  if (read.found === undefined) throw invalid(`expected ${members[0]}, got none`);
  return read.found.tensors;
}

// not inside its caller: see core/chain.ts
function* readMember(s: Scanner, key: string, read: ReadEnvelope): Sliced<boolean> {
  const { members, place, found } = read;
  if (!members.includes(key)) return false;
  if (found !== undefined) throw invalid(`expected either ${found.member} or ${key}, got both`);
  read.found = { member: key, tensors: (yield* readRowValue(s, { ...place, label: key })).tensors };
  return true;
}

/** Where rows stand, and what is known of them. */
export interface RowPlace extends KnownRows {
  readonly word: "input" | "output";
  /** How errors name the value. */
  readonly label: string;
  /** How many arrays and objects are open around the value. */
  readonly depth: number;
  readonly limits: WireLimits;
}

/** Reads a list of rows; an object is one of columns, and any other value that of the only tensor. */
export function* readRowValue(s: Scanner, place: RowPlace): Sliced<ReadTensors> {
  const { word, label, depth, specs, limits } = place;
  const many = {
    word,
    label,
    depth,
    bareName: specs?.[0]?.name ?? BARE_NAMES[word],
    // an answer may say more than its signature; a caller's name that nobody knows is a mistake
    extra: specs !== undefined && word === "output" ? "skip" : specs === undefined ? "infer" : "refuse",
    maxTensors: limits.maxInputs,
    ...(specs === undefined ? {} : { specs }),
  } as const;
  return yield* skipSpace(s) === 0x5b ? readRows(s, many) : readColumns(s, many);
}
