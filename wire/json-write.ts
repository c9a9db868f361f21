// Writes JSON text into buffers: names, strings and parameters; the elements of tensors are in json-elements.ts.

import { invalid } from "../core/error.ts";
import type { ParameterValue } from "../core/tensor.ts";

/** Text as it is written: the buffers that are full, the one being filled, and what is put into it next. */
export interface JsonWriter {
  readonly full: Uint8Array[];
  chunk: Buffer;
  at: number;
  /** Bytes in the full buffers. */
  length: number;
  /** Behind all in the buffers: many short pieces cost one write. */
  text: string;
}

const FIRST_BYTES = 1024;
const CHUNK_BYTES = 256 * 1024;
/** Text of more characters than this is put into the buffer. */
const TEXT_LENGTH = 4096;

export function openWriter(): JsonWriter {
  return { full: [], chunk: Buffer.allocUnsafe(FIRST_BYTES), at: 0, length: 0, text: "" };
}

/** Makes sure that this many bytes fit behind `at` in the present buffer, where whoever asks may write them before anything is put. */
export function room(w: JsonWriter, bytes: number): void {
  if (w.text !== "") encodeText(w);
  widen(w, bytes);
}

function encodeText(w: JsonWriter): void {
  const { text } = w;
  w.text = "";
  widen(w, text.length * 3);
  w.at += w.chunk.write(text, w.at, "utf8");
}

function widen(w: JsonWriter, bytes: number): void {
  if (w.chunk.byteLength - w.at >= bytes) return;
  if (w.at > 0) {
    w.full.push(w.chunk.subarray(0, w.at));
    w.length += w.at;
  }
  const next = Math.min(CHUNK_BYTES, Math.max(w.length * 2, FIRST_BYTES));
  w.chunk = Buffer.allocUnsafe(Math.max(next, bytes));
  w.at = 0;
}

/** All that was written, and its length in bytes. */
export function finishWriter(w: JsonWriter): { readonly parts: readonly Uint8Array[]; readonly length: number } {
  if (w.text !== "") encodeText(w);
  const parts = w.at === 0 ? w.full : [...w.full, w.chunk.subarray(0, w.at)];
  return { parts, length: w.length + w.at };
}

/** Writes a piece of JSON as it is. */
export function put(w: JsonWriter, json: string): void {
  w.text += json;
  if (w.text.length > TEXT_LENGTH) encodeText(w);
}

/** How much was written so far: bytes, and characters of what is not encoded yet. */
export function written(w: JsonWriter): number {
  return w.length + w.at + w.text.length;
}

/** Writes a string. @throws InferError invalid-argument for a lone surrogate, which has no UTF-8 */
export function putString(w: JsonWriter, text: string): void {
  if (!text.isWellFormed())
    throw invalid(`the text ${JSON.stringify(text.slice(0, 24))} holds a lone surrogate, which has no UTF-8`);
  put(w, JSON.stringify(text));
}

/** Writes an object of parameters; a whole double keeps its fraction, so that it is a double again when read. */
export function putParameters(w: JsonWriter, parameters: Iterable<readonly [string, ParameterValue]>): void {
  let before = "{";
  for (const [key, value] of parameters) {
    put(w, before);
    putString(w, key);
    put(w, ":");
    if (typeof value === "string") putString(w, value);
    else put(w, typeof value === "number" ? doubleText(value) : String(value));
    before = ",";
  }
  put(w, before === "{" ? "{}" : "}");
}

/** A double's text, which reads back to the same bits; NaN, Infinity and -Infinity as bare tokens. */
export function doubleText(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  return Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text;
}
