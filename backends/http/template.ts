// A request body as a template: a value of the config in which `{{x}}` stands for the tensor x, read once when the config is.

import { invalid } from "../../core/error.ts";
import type { InferRequest } from "../../core/request.ts";
import { bytesElements, elementCount, type Tensor } from "../../core/tensor.ts";
import { show } from "../../core/words.ts";
import { type WriteRows, writeColumns, writeRows, writeValue } from "../../wire/json-rows-write.ts";
import { doubleText, finishWriter, type JsonWriter, openWriter, put, putString } from "../../wire/json-write.ts";
import { openPace, type Sliced, type SliceOptions } from "../../wire/sliced.ts";

/** What `{{x.<form>}}` writes of the tensor x; `{{x}}` is `value`. */
const FORMS = ["value", "flat", "scalar", "rows", "shape", "datatype", "base64"] as const;
type Form = (typeof FORMS)[number];

/** What `{{@word}}` writes of the whole request. */
const WHOLE = ["rows", "columns", "model", "version"] as const;
type Whole = (typeof WHOLE)[number];

type Slot =
  | { readonly of: "tensor"; readonly name: string; readonly form: Form }
  | { readonly of: "request"; readonly word: Whole }
  | { readonly of: "parameter"; readonly name: string };

/** JSON text, and the places to be filled in between. */
export interface Template {
  readonly pieces: readonly (string | Slot)[];
}

/** Something that is wrong about a template. */
export interface TemplateFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const SLOT = /^\{\{\s*(.+?)\s*\}\}$/s;

/** Reads a template, or says what is wrong in it and where. */
export function readTemplate(value: unknown): Template | { readonly faults: readonly TemplateFault[] } {
  const pieces: (string | Slot)[] = [];
  const faults: TemplateFault[] = [];
  readPieces(value, [], { pieces, faults });
  return faults.length > 0 ? { faults } : { pieces: joinTexts(pieces) };
}

interface Reading {
  readonly pieces: (string | Slot)[];
  readonly faults: TemplateFault[];
}

function readPieces(value: unknown, path: readonly (string | number)[], out: Reading): void {
  const { pieces, faults } = out;
  if (Array.isArray(value)) {
    pieces.push("[");
    value.forEach((item, index) => {
      if (index > 0) pieces.push(",");
      readPieces(item, [...path, index], out);
    });
    pieces.push("]");
    return;
  }
  if (typeof value === "object" && value !== null) {
    let before = "{";
    for (const [name, member] of Object.entries(value)) {
      pieces.push(`${before}${JSON.stringify(name)}:`);
      readPieces(member, [...path, name], out);
      before = ",";
    }
    pieces.push(before === "{" ? "{}" : "}");
    return;
  }
  const piece = typeof value === "string" ? readText(value) : readPlain(value);
  if (typeof piece === "object" && "expected" in piece) faults.push({ path, message: `expected ${piece.expected}` });
  else pieces.push(piece);
}

type Piece = string | Slot | { readonly expected: string };

function readPlain(value: unknown): Piece {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value !== "number") return { expected: `text, a number, a list or a map, got ${show(value)}` };
  if (!Number.isInteger(value)) return doubleText(value);
  if (Number.isSafeInteger(value)) return String(value);
  return { expected: `a whole number of at most 2^53, which is all that is exact here, got ${value}` };
}

function readText(text: string): Piece {
  const inner = SLOT.exec(text)?.[1];
  if (inner !== undefined && !inner.includes("{{")) return readSlot(inner);
  if (!text.includes("{{")) return JSON.stringify(text);
  return { expected: `{{...}} as the whole text, got ${show(text)}` };
}

function readSlot(inner: string): Piece {
  if (inner.startsWith("@parameters.")) return { of: "parameter", name: inner.slice("@parameters.".length) };
  if (inner.startsWith("@")) {
    const word = WHOLE.find((known) => known === inner.slice(1));
    if (word !== undefined) return { of: "request", word };
    const known = [...WHOLE.map((each) => `@${each}`), "@parameters.<name>"].join(", ");
    return { expected: `one of ${known} after {{, got ${show(inner)}` };
  }
  const dot = inner.lastIndexOf(".");
  const form = FORMS.find((known) => known === inner.slice(dot + 1));
  // an input may have a dot in its name
  return dot > 0 && form !== undefined
    ? { of: "tensor", name: inner.slice(0, dot), form }
    : { of: "tensor", name: inner, form: "value" };
}

function joinTexts(pieces: readonly (string | Slot)[]): readonly (string | Slot)[] {
  const joined: (string | Slot)[] = [];
  for (const piece of pieces) {
    const last = joined[joined.length - 1];
    if (typeof piece === "string" && typeof last === "string") joined[joined.length - 1] = last + piece;
    else joined.push(piece);
  }
  return joined;
}

/** The inputs that a template names, or undefined when it takes whatever there is. */
export function inputsOf(template: Template): ReadonlySet<string> | undefined {
  const names = new Set<string>();
  for (const piece of template.pieces) {
    if (typeof piece === "string") continue;
    if (piece.of === "request" && (piece.word === "rows" || piece.word === "columns")) return undefined;
    if (piece.of === "tensor") names.add(piece.name);
  }
  return names;
}

/**
 * Fills in a template. Numbers are exact: 64-bit integers as they are, floats with the fewest digits that read back to
 * the same bits and a fraction always, so that a server without types sees floats; NaN and infinities as bare tokens.
 *
 * @throws InferError invalid-argument for an input that is missing, unsupported for one that JSON cannot carry
 */
export function* fillTemplate(
  template: Template,
  request: InferRequest,
  options: SliceOptions = {},
): Sliced<readonly Uint8Array[]> {
  const w = openWriter();
  const how: WriteRows = { word: "input", pace: openPace(options), form: "named", floats: "fraction" };
  for (const piece of template.pieces) {
    if (typeof piece === "string") put(w, piece);
    else yield* fillSlot(w, { slot: piece, request, how });
  }
  return finishWriter(w).parts;
}

/**
 * Refuses inputs that none of the templates names.
 *
 * @throws InferError invalid-argument naming the input and those that there are
 */
export function checkInputs(templates: readonly Template[], request: InferRequest): void {
  const sets = templates.map(inputsOf);
  if (sets.includes(undefined)) return;
  const names = new Set(sets.flatMap((set) => [...(set ?? [])]));
  for (const { name } of request.inputs) {
    if (!names.has(name)) {
      throw invalid(`input "${name}": expected one of ${[...names].map((each) => `"${each}"`).join(", ") || "none"}`);
    }
  }
}

interface Filling {
  readonly slot: Slot;
  readonly request: InferRequest;
  readonly how: WriteRows;
}

function* fillSlot(w: JsonWriter, { slot, request, how }: Filling): Sliced<void> {
  if (slot.of === "parameter") {
    putParameter(w, slot.name, request);
    return;
  }
  if (slot.of === "request") {
    yield* fillWhole(w, slot.word, { request, how });
    return;
  }
  const tensor = inputNamed(request, slot.name);
  switch (slot.form) {
    case "value":
      yield* writeValue(w, tensor, how);
      return;
    case "flat":
      yield* writeValue(w, { ...tensor, shape: [elementCount(tensor.shape)] }, how);
      return;
    case "scalar":
      yield* writeValue(w, { ...tensor, shape: oneElement(tensor) }, how);
      return;
    case "rows":
      put(w, String(tensor.shape[0] ?? 1));
      return;
    case "shape":
      put(w, `[${tensor.shape.join(",")}]`);
      return;
    case "datatype":
      putString(w, tensor.datatype);
      return;
    case "base64":
      // quotes of their own: the digits of base64 need no escape
      put(w, `"${Buffer.from(bytesOf(tensor)).toString("base64")}"`);
      return;
    default:
      slot.form satisfies never;
  }
}

function* fillWhole(
  w: JsonWriter,
  word: Whole,
  { request, how }: { readonly request: InferRequest; readonly how: WriteRows },
): Sliced<void> {
  switch (word) {
    case "rows":
      yield* writeRows(w, request.inputs, how);
      return;
    case "columns":
      yield* writeColumns(w, request.inputs, how);
      return;
    case "model":
      putString(w, request.model.name);
      return;
    case "version":
      putString(w, versionOf(request));
      return;
    default:
      word satisfies never;
  }
}

/** The version or label that a request names; "1", which stands for a server without versions, when it names none. */
export function versionOf(request: InferRequest): string {
  const { select } = request.model;
  return select.by === "version" ? select.version : select.by === "label" ? select.label : "1";
}

/** The input of that name. @throws InferError invalid-argument when there is none */
export function inputNamed(request: InferRequest, name: string): Tensor {
  const tensor = request.inputs.find((input) => input.name === name);
  if (tensor === undefined) throw invalid(`input "${name}": expected a tensor, got none`);
  return tensor;
}

function oneElement(tensor: Tensor): readonly number[] {
  if (elementCount(tensor.shape) === 1) return [];
  throw invalid(`input "${tensor.name}": expected one element, got shape [${tensor.shape.join(",")}]`);
}

/** The bytes of an input as they go into a body: those of its one element where it is BYTES, else its little-endian data. */
export function bytesOf(tensor: Tensor): Uint8Array {
  if (tensor.datatype !== "BYTES") return tensor.data;
  oneElement(tensor);
  for (const element of bytesElements(tensor.data)) return element;
  return tensor.data;
}

function putParameter(w: JsonWriter, name: string, request: InferRequest): void {
  const value = request.parameters.get(name);
  if (value === undefined) put(w, "null");
  else if (typeof value === "string") putString(w, value);
  else put(w, typeof value === "number" ? doubleText(value) : String(value));
}

/** The text of a template that says nothing: every input under its name. */
export const ALL_COLUMNS: Template = { pieces: [{ of: "request", word: "columns" }] };
