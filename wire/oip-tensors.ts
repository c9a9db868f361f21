// Reads the tensors of an Open Inference Protocol body: their names, shapes, datatypes, and elements or the size of
// their blob.

import { InferError, invalid } from "../core/error.ts";
import type { RegionPart } from "../core/operator.ts";
import { DATATYPES, type Datatype, elementCount, isDatatype, type Parameters, type Tensor } from "../core/tensor.ts";
import { skipWord } from "./json-number.ts";
import {
  excerpt,
  firstItem,
  firstKey,
  isSliceOver,
  jump,
  nextItem,
  nextKey,
  type Scanner,
  STEP_BYTES,
  skipSpace,
  spend,
} from "./json-scan.ts";
import { skipValue } from "./json-skip.ts";
import { readData } from "./json-tensor.ts";
import { readString, type WireLimits } from "./oip-json.ts";
import { readParameters, wholeNumber } from "./oip-parameters.ts";
import { takeRegion } from "./oip-regions.ts";
import type { Sliced } from "./sliced.ts";

/** No runtime has more dimensions than this (NumPy's limit). */
const MAX_RANK = 64;

/** A tensor as its JSON says it: with its elements, the size of the blob that holds them, or where they lie in shared memory. */
export type ReadTensor =
  | { readonly form: "json"; readonly tensor: Tensor }
  | { readonly form: "blob"; readonly tensor: Omit<Tensor, "data">; readonly bytes: number }
  | { readonly form: "region"; readonly tensor: Omit<Tensor, "data">; readonly part: RegionPart };

/** What the reader of one body keeps. */
export interface BodyReader {
  readonly limits: WireLimits;
  /** FP16 in JSON are taken as numbers. */
  readonly halves: boolean;
  /** Elements read so far. */
  elements: number;
}

/**
 * Reads `inputs` of a request or `outputs` of an answer.
 *
 * @param word how errors name one: `input` or `output`
 * @throws InferError invalid-argument for a name, shape or datatype that is missing, a member or a name that stands
 * twice, data that does not fit; too-large beyond `maxElements`
 */
export function* readTensors(s: Scanner, reader: BodyReader, word: "input" | "output"): Sliced<readonly ReadTensor[]> {
  const tensors: ReadTensor[] = [];
  const names = new Set<string>();
  for (let more = firstItem(s, `an array of ${word}s`); more; more = nextItem(s)) {
    if (tensors.length === reader.limits.maxInputs)
      throw invalid(`expected at most ${reader.limits.maxInputs} ${word}s, got more`);
    const draft: Draft = { word, index: tensors.length };
    yield* readDraft(s, draft, reader);
    const read = yield* finishDraft(s, draft, reader);
    const { name } = read.tensor;
    if (names.has(name)) throw invalid(`${word} "${name}" stands twice`);
    names.add(name);
    tensors.push(read);
    spend(s, STEP_BYTES);
    if (isSliceOver(s)) yield;
  }
  return tensors;
}

/** A tensor whose members have been read so far; they come in any order. */
interface Draft {
  readonly word: "input" | "output";
  readonly index: number;
  name?: string;
  shape?: readonly number[];
  datatype?: Datatype;
  parameters?: Parameters;
  data?: Uint8Array;
  /** Where `data` stands when it came before what is needed to read it. */
  dataAt?: { readonly from: number; readonly to: number; readonly isEmpty: boolean };
}

const labelOf = (draft: Draft): string =>
  draft.name === undefined ? `${draft.word} ${draft.index}` : `${draft.word} "${draft.name}"`;

function* readDraft(s: Scanner, draft: Draft, reader: BodyReader): Sliced<void> {
  const seen = new Set<string>();
  for (let key = firstKey(s, `an object for ${labelOf(draft)}`); key !== undefined; key = nextKey(s)) {
    const isOurs = MEMBERS.has(key);
    if (isOurs && seen.has(key)) throw invalid(`${labelOf(draft)}: "${key}" stands twice`);
    if (isOurs) seen.add(key);
    skipSpace(s);
    const isRead = isOurs && (yield* readDraftMember(s, key, { draft, reader }));
    if (!isRead) yield* skipValue(s, 3);
    spend(s, STEP_BYTES);
    if (isSliceOver(s)) yield;
  }
}

const MEMBERS: ReadonlySet<string> = new Set(["name", "shape", "datatype", "parameters", "data"]);

function* readDraftMember(
  s: Scanner,
  key: string,
  at: { readonly draft: Draft; readonly reader: BodyReader },
): Sliced<boolean> {
  const { draft, reader } = at;
  switch (key) {
    case "name":
      draft.name = readString(s, `name of ${labelOf(draft)}`);
      return true;
    case "shape":
      draft.shape = readShape(s, labelOf(draft));
      return true;
    case "datatype":
      draft.datatype = readDatatype(s, labelOf(draft));
      return true;
    case "parameters":
      if (skipWord(s, "null")) return true;
      draft.parameters = yield* readParameters(s, labelOf(draft));
      return true;
    case "data":
      if (skipWord(s, "null")) return true;
      yield* readDraftData(s, draft, reader);
      return true;
    default:
      return false;
  }
}

// At once where type and shape are known and the size of the result with them, else when they are.
function* readDraftData(s: Scanner, draft: Draft, reader: BodyReader): Sliced<void> {
  const { datatype, shape } = draft;
  const isEmpty = startsEmpty(s);
  if (datatype !== undefined && shape !== undefined && datatype !== "BYTES" && !isEmpty) {
    draft.data = yield* readDraftElements(s, { draft, reader, datatype, shape, textBytes: s.end - s.at });
    return;
  }
  const from = s.at;
  yield* skipValue(s, 3);
  draft.dataAt = { from, to: s.at, isEmpty };
}

function startsEmpty(s: Scanner): boolean {
  if (skipSpace(s) !== 0x5b) return false;
  const from = s.at;
  s.at += 1;
  const isEmpty = skipSpace(s) === 0x5d;
  s.at = from;
  return isEmpty;
}

interface ElementsAt {
  readonly draft: Draft;
  readonly reader: BodyReader;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly textBytes: number;
}

function readDraftElements(s: Scanner, at: ElementsAt): Sliced<Uint8Array> {
  const { draft, reader, datatype, shape, textBytes } = at;
  const label = labelOf(draft);
  const count = countOf(shape, label);
  reader.elements += count;
  const { maxElements } = reader.limits;
  if (maxElements !== undefined && reader.elements > maxElements) {
    throw new InferError(
      "too-large",
      `${label}: expected at most ${maxElements} elements in JSON, got ${reader.elements}`,
    );
  }
  return readData(s, { label, datatype, shape, count, depth: 3, textBytes, halves: reader.halves });
}

function* finishDraft(s: Scanner, draft: Draft, reader: BodyReader): Sliced<ReadTensor> {
  const { name, shape, datatype, parameters } = draft;
  const label = labelOf(draft);
  if (name === undefined || name === "") throw invalid(`${draft.word} ${draft.index}: expected a name, got none`);
  if (datatype === undefined) throw invalid(`${label}: expected a datatype, got none`);
  if (shape === undefined) throw invalid(`${label}: expected a shape, got none`);
  const { bytes, part, rest } = splitParameters(parameters, label);
  const tensor = { name, datatype, shape, ...(rest === undefined ? {} : { parameters: rest }) };
  const hasData = draft.data !== undefined || draft.dataAt !== undefined;
  if (part !== undefined) {
    if (hasData || bytes !== undefined)
      throw invalid(`${label}: expected its data either here or in shared memory, got both`);
    return { form: "region", tensor, part };
  }
  if (bytes !== undefined) {
    // Open Model Server's answers have an empty `data` beside the size of the blob
    const isTolerated = draft.word === "output" && draft.dataAt?.isEmpty === true;
    if (hasData && !isTolerated) throw invalid(`${label}: expected either data or binary_data_size, got both`);
    return { form: "blob", tensor, bytes };
  }
  if (!hasData) throw invalid(`${label}: expected data or the parameter binary_data_size, got neither`);
  if (draft.data !== undefined) return { form: "json", tensor: { ...tensor, data: draft.data } };
  const { from, to } = draft.dataAt as NonNullable<Draft["dataAt"]>;
  const after = s.at;
  jump(s, from);
  const data = yield* readDraftElements(s, { draft, reader, datatype, shape, textBytes: to - from });
  jump(s, after);
  return { form: "json", tensor: { ...tensor, data } };
}

function splitParameters(parameters: Parameters | undefined, label: string) {
  if (parameters === undefined) return { bytes: undefined, part: undefined, rest: undefined };
  const { part, rest: others } = takeRegion(parameters, label);
  const bytes = wholeNumber(others, "binary_data_size", label);
  const rest = new Map(others);
  rest.delete("binary_data_size");
  return { part, bytes: bytes === undefined ? undefined : Number(bytes), rest: rest.size === 0 ? undefined : rest };
}

function readShape(s: Scanner, label: string): readonly number[] {
  const shape: number[] = [];
  for (let more = firstItem(s, `an array for the shape of ${label}`); more; more = nextItem(s)) {
    if (shape.length === MAX_RANK)
      throw invalid(`${label}: expected a shape of at most ${MAX_RANK} dimensions, got more`);
    skipSpace(s);
    const from = s.at;
    let at = from;
    while (at < s.end && at - from < 17 && (s.text[at] as number) >= 0x30 && (s.text[at] as number) <= 0x39) at += 1;
    const size = Number(s.text.toString("latin1", from, at));
    const isPlain = at > from && !(at - from > 1 && s.text[from] === 0x30) && endsDimension(s, at);
    if (!isPlain || !Number.isSafeInteger(size)) {
      throw invalid(`${label}: expected a shape of whole numbers of at least 0, got ${excerpt(s, from)}`);
    }
    s.at = at;
    shape.push(size);
  }
  return shape;
}

function endsDimension(s: Scanner, at: number): boolean {
  const byte = at < s.end ? (s.text[at] as number) : 0;
  return byte === 0x2c || byte === 0x5d || (byte <= 0x20 && byte !== 0);
}

function readDatatype(s: Scanner, label: string): Datatype {
  const word = readString(s, `datatype of ${label}`);
  if (isDatatype(word)) return word;
  throw invalid(`${label}: expected a datatype of ${DATATYPES.join(", ")}, got ${JSON.stringify(word.slice(0, 24))}`);
}

/** The elements of a shape. @throws InferError invalid-argument naming the tensor when they cannot be counted */
export function countOf(shape: readonly number[], label: string): number {
  try {
    return elementCount(shape);
  } catch (error) {
    throw error instanceof InferError ? invalid(`${label}: ${error.message}`) : error;
  }
}
