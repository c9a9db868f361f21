// Writes the elements of a tensor as a flat JSON array, in slices; what is read back has the same bits.

import { InferError, invalid } from "../core/error.ts";
import { type Datatype, elementCount, readU32, type Tensor } from "../core/tensor.ts";
import { MAX_DECIMAL_BYTES, putAscii, putFloat32, putWhole, putWide } from "./json-decimals.ts";
import { doubleText, type JsonWriter, put, room } from "./json-write.ts";
import { isDue, type Pace, type Sliced } from "./sliced.ts";
import { findInvalidUtf8 } from "./utf8.ts";

/** Elements written without asking for room or time. */
const GROUP = 512;

/** Writes the element at an index into the buffer, where there is room, and gives the place behind it. */
type PutElement = (chunk: Uint8Array, at: number, index: number) => number;

export interface WriteContext {
  /** `output "scores"`: how errors name the tensor. */
  readonly label: string;
  readonly pace: Pace;
}

/**
 * Writes a tensor's `data`. FP32 takes the fewest of 7 to 9 digits that give the same float again, FP64 JavaScript's
 * own text, -0 keeps its sign; NaN, Infinity and -Infinity are bare tokens, as Triton writes them.
 *
 * @throws InferError unsupported for BYTES that are no UTF-8, invalid-argument for FP16 and BF16, which have no JSON
 * form
 */
export function* writeData(w: JsonWriter, tensor: Tensor, context: WriteContext): Sliced<void> {
  put(w, "[");
  if (tensor.datatype === "BYTES") {
    yield* writeTexts(w, tensor.data, context);
  } else {
    const putElement = elementWriter(tensor.datatype, tensor.data, context.label);
    const count = elementCount(tensor.shape);
    for (let index = 0; index < count; index += GROUP) {
      const to = Math.min(count, index + GROUP);
      room(w, (to - index) * MAX_DECIMAL_BYTES);
      const from = w.at;
      putGroup(w, putElement, { from: index, to });
      if (isDue(context.pace, w.at - from)) yield;
    }
  }
  put(w, "]");
}

function putGroup(w: JsonWriter, putElement: PutElement, range: { readonly from: number; readonly to: number }): void {
  const { chunk } = w;
  let at = w.at;
  for (let index = range.from; index < range.to; index++) {
    if (index > 0) chunk[at++] = 0x2c;
    at = putElement(chunk, at, index);
  }
  w.at = at;
}

// A DataView reads at any offset, so it does not matter where in a shared buffer the tensor begins.
function elementWriter(datatype: Exclude<Datatype, "BYTES">, data: Uint8Array, label: string): PutElement {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  switch (datatype) {
    case "BOOL":
      return (chunk, at, i) => putAscii(chunk, at, data[i] === 0 ? "false" : "true");
    case "UINT8":
      return (chunk, at, i) => putWhole(chunk, at, view.getUint8(i));
    case "UINT16":
      return (chunk, at, i) => putWhole(chunk, at, view.getUint16(i * 2, true));
    case "UINT32":
      return (chunk, at, i) => putWhole(chunk, at, view.getUint32(i * 4, true));
    case "UINT64":
      return (chunk, at, i) =>
        putWide(chunk, at, { low: view.getUint32(i * 8, true), high: view.getUint32(i * 8 + 4, true) });
    case "INT8":
      return (chunk, at, i) => putSigned(chunk, at, view.getInt8(i));
    case "INT16":
      return (chunk, at, i) => putSigned(chunk, at, view.getInt16(i * 2, true));
    case "INT32":
      return (chunk, at, i) => putSigned(chunk, at, view.getInt32(i * 4, true));
    case "INT64":
      return (chunk, at, i) =>
        putInt64(chunk, at, { low: view.getUint32(i * 8, true), high: view.getInt32(i * 8 + 4, true) });
    case "FP32":
      return (chunk, at, i) => putFloat32(chunk, at, view.getFloat32(i * 4, true));
    case "FP64":
      return (chunk, at, i) => putFloat64(chunk, at, view.getFloat64(i * 8, true));
    case "FP16":
    case "BF16":
      throw invalid(`${label}: ${datatype} has no JSON form; the binary tensor extension (binary_data) carries it`);
    default:
      return datatype satisfies never;
  }
}

function putSigned(chunk: Uint8Array, at: number, value: number): number {
  if (value >= 0) return putWhole(chunk, at, value);
  chunk[at] = 0x2d;
  return putWhole(chunk, at + 1, -value);
}

function putInt64(chunk: Uint8Array, at: number, halves: { readonly high: number; readonly low: number }): number {
  const { high, low } = halves;
  if (high >= 0) return putWide(chunk, at, halves);
  chunk[at] = 0x2d;
  const carry = low === 0 ? 1 : 0;
  return putWide(chunk, at + 1, { high: (~high + carry) >>> 0, low: -low >>> 0 });
}

function putFloat64(chunk: Uint8Array, at: number, value: number): number {
  if (value === Math.trunc(value) && Math.abs(value) < 1e15 && !Object.is(value, -0))
    return putSigned(chunk, at, value);
  return putAscii(chunk, at, doubleText(value));
}

/** The longest piece of a string that is looked at in one go. */
const PIECE_BYTES = 16 * 1024;

function* writeTexts(w: JsonWriter, data: Uint8Array, context: WriteContext): Sliced<void> {
  let at = 0;
  for (let index = 0; at < data.byteLength; index++) {
    const end = at + 4 + readU32(data, at);
    const element = data.subarray(at + 4, end);
    if ((yield* findInvalidUtf8(element)) >= 0) {
      throw new InferError(
        "unsupported",
        `${context.label}: element ${index} is not UTF-8, so JSON cannot carry it; the binary tensor extension (binary_data) can`,
      );
    }
    put(w, index === 0 ? '"' : ',"');
    for (let from = 0; from < element.byteLength; from += PIECE_BYTES) {
      const piece = element.subarray(from, from + PIECE_BYTES);
      room(w, piece.byteLength * 6 + 8);
      w.at = putEscaped(w.chunk, w.at, piece);
      if (isDue(context.pace, piece.byteLength)) yield;
    }
    put(w, '"');
    // what an element costs beside its bytes, so that many small ones count too
    if (isDue(context.pace, 64)) yield;
    at = end;
  }
}

function putEscaped(chunk: Uint8Array, at: number, bytes: Uint8Array): number {
  let next = at;
  for (let i = 0; i < bytes.byteLength; i++) {
    const byte = bytes[i] as number;
    if (byte >= 0x20 && byte !== 0x22 && byte !== 0x5c) chunk[next++] = byte;
    else if (byte >= 0x20) {
      chunk[next++] = 0x5c;
      chunk[next++] = byte;
    } else {
      next = putAscii(chunk, next, JSON.stringify(String.fromCharCode(byte)).slice(1, -1));
    }
  }
  return next;
}
