// Writes the elements of a tensor as a JSON array, flat or nested, in slices; what is read back has the same bits.

import { InferError, invalid } from "../core/error.ts";
import { type Datatype, elementCount, readU32, type Tensor } from "../core/tensor.ts";
import { MAX_DECIMAL_BYTES, putAscii, putFloat32, putWhole, putWide } from "./json-decimals.ts";
import { emptyArrays, type Nesting, openNesting } from "./json-nesting.ts";
import { writeText } from "./json-text-write.ts";
import { doubleText, type JsonWriter, put, room } from "./json-write.ts";
import { isDue, type Pace, type Sliced } from "./sliced.ts";
import { findInvalidUtf8 } from "./utf8.ts";

/** Elements written without asking for room or time. */
const GROUP = 512;

/** Writes the element at an index into the buffer, where there is room, and gives the place behind it. */
type PutElement = (chunk: Uint8Array, at: number, index: number) => number;

/** The text of a finite float, of at most 26 characters. */
export type FloatText = (value: number, datatype: "FP32" | "FP64") => string;

/** How elements are written where it can be said in more than one way. */
export interface ElementStyle {
  /**
   * FP32 and FP64: `shortest` is few digits that read back to the same bits, `3` for 3.0; `fraction` is the same with
   * `.0` behind whole numbers, so that a reader without types sees floats.
   */
  readonly floats: "shortest" | "fraction" | FloatText;
  /** NaN and infinities: bare tokens, or refused. */
  readonly odd: "token" | "refuse";
  /** BYTES: text, `{"b64": "..."}`, or text where an element is UTF-8 and else b64. */
  readonly bytes: "text" | "b64" | "either";
}

/** The style of the Open Inference Protocol. */
const OIP_STYLE: ElementStyle = { floats: "shortest", odd: "token", bytes: "text" };

export interface WriteContext {
  /** `output "scores"`: how errors name the tensor. */
  readonly label: string;
  readonly pace: Pace;
  readonly style?: ElementStyle;
  /** What can carry an element that JSON cannot, for errors. */
  readonly carrier?: string;
  /** The reader takes FP16 as numbers; without this word they are refused, as BF16 always are. */
  readonly halves?: boolean;
}

const BINARY_EXTENSION = "the binary tensor extension (binary_data)";

/**
 * Writes a tensor's `data`. FP32 takes the fewest of 7 to 9 digits that give the same float again, FP64 JavaScript's
 * own text, -0 keeps its sign; NaN, Infinity and -Infinity are bare tokens, as Triton writes them.
 *
 * @throws InferError unsupported for BYTES that are no UTF-8, invalid-argument for FP16 and BF16, which have no JSON
 * form unless the reader takes `halves`
 */
export function* writeData(w: JsonWriter, tensor: Tensor, context: WriteContext): Sliced<void> {
  const elements = openElements(tensor, context);
  yield* elements.write(w, { count: elements.count, shape: [elements.count] });
}

/** Elements of a tensor being written, from the first to the last. */
export interface Elements {
  readonly count: number;
  /**
   * Writes the next so many elements nested as the shape says, which has so many; a bare element for shape [].
   *
   * @throws InferError unsupported for an element that JSON cannot carry
   */
  write(w: JsonWriter, next: Next): Sliced<void>;
}

interface Next {
  readonly count: number;
  readonly shape: readonly number[];
}

/**
 * Begins to write.
 *
 * @throws InferError invalid-argument for FP16 and BF16, which have no JSON form; unsupported where something else carries it
 */
export function openElements(tensor: Tensor, context: WriteContext): Elements {
  const count = elementCount(tensor.shape);
  if (tensor.datatype === "BYTES") return { count, write: textWriter(tensor.data, context) };
  const putElement = elementWriter(tensor.datatype, tensor.data, context);
  const numbers: Numbers = { putElement, context, from: 0 };
  return { count, write: (w, next) => writeNumbers(w, next, numbers) };
}

interface Numbers {
  readonly putElement: PutElement;
  readonly context: WriteContext;
  /** The next one. */
  from: number;
}

// not inside its caller: see core/chain.ts
function* writeNumbers(w: JsonWriter, next: Next, numbers: Numbers): Sliced<void> {
  const { putElement, context } = numbers;
  if (next.count === 0) {
    put(w, emptyArrays(next.shape, context.label));
    return;
  }
  const nesting = openNesting(next.shape);
  const to = numbers.from + next.count;
  put(w, nesting.start);
  while (numbers.from < to) {
    const { from } = numbers;
    const end = Math.min(to, from + GROUP);
    room(w, (end - from) * (MAX_DECIMAL_BYTES + nesting.maxBetween));
    const begin = w.at;
    putGroup(w, putElement, { from, to: end, nesting });
    numbers.from = end;
    if (isDue(context.pace, w.at - begin)) yield;
  }
  put(w, nesting.end);
}

interface Group {
  readonly from: number;
  readonly to: number;
  readonly nesting: Nesting;
}

function putGroup(w: JsonWriter, putElement: PutElement, { from, to, nesting }: Group): void {
  const { chunk } = w;
  let at = w.at;
  for (let index = from; index < to; index++) {
    const between = nesting.next();
    if (between === ",") chunk[at++] = 0x2c;
    else at = putAscii(chunk, at, between);
    at = putElement(chunk, at, index);
  }
  w.at = at;
}

// A DataView reads at any offset, so it does not matter where in a shared buffer the tensor begins.
function elementWriter(datatype: Exclude<Datatype, "BYTES">, data: Uint8Array, context: WriteContext): PutElement {
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
      return floatWriter(datatype, (i) => view.getFloat32(i * 4, true), context);
    case "FP64":
      return floatWriter(datatype, (i) => view.getFloat64(i * 8, true), context);
    case "FP16":
    case "BF16":
      // a half is a float too, and no float has fewer digits that read back to it
      if (datatype === "FP16" && context.halves === true)
        return floatWriter("FP32", (i) => view.getFloat16(i * 2, true), context);
      throw halfless(datatype, context);
    default:
      return datatype satisfies never;
  }
}

function putSigned(chunk: Uint8Array, at: number, value: number): number {
  if (value >= 0) return putWhole(chunk, at, value);
  chunk[at] = 0x2d;
  return putWhole(chunk, at + 1, -value);
}

// Who is answered can ask for the binary extension; a server that is asked has another wire.
function halfless(datatype: Datatype, { label, carrier }: WriteContext): InferError {
  const said = `${label}: ${datatype} has no JSON form; ${carrier ?? BINARY_EXTENSION} carries it`;
  return carrier === undefined ? invalid(said) : new InferError("unsupported", said);
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

type PutFloat = (chunk: Uint8Array, at: number, value: number) => number;

function floatWriter(
  datatype: "FP32" | "FP64",
  read: (index: number) => number,
  { style = OIP_STYLE, label, carrier }: WriteContext,
): PutElement {
  const shortest: PutFloat = datatype === "FP32" ? putFloat32 : putFloat64;
  const putFloat = floatForm(style.floats, datatype, shortest);
  if (putFloat === shortest && style.odd === "token") return (chunk, at, i) => shortest(chunk, at, read(i));
  return (chunk, at, i) => {
    const value = read(i);
    if (Number.isFinite(value)) return putFloat(chunk, at, value);
    if (style.odd === "token") return putAscii(chunk, at, String(value));
    const instead = carrier ?? "the Open Inference Protocol";
    throw new InferError("unsupported", `${label}: element ${i} is ${value}, which JSON cannot carry; ${instead} can`);
  };
}

function floatForm(floats: ElementStyle["floats"], datatype: "FP32" | "FP64", shortest: PutFloat): PutFloat {
  if (floats === "shortest") return shortest;
  if (floats !== "fraction") return (chunk, at, value) => putAscii(chunk, at, floats(value, datatype));
  // whole numbers from here on get their fraction, or an exponent, from both
  const end = datatype === "FP32" ? 1e9 : 1e15;
  return (chunk, at, value) => {
    const next = shortest(chunk, at, value);
    const isWhole = value === Math.trunc(value) && Math.abs(value) < end && !Object.is(value, -0);
    return isWhole ? putAscii(chunk, next, ".0") : next;
  };
}

function textWriter(data: Uint8Array, context: WriteContext): Elements["write"] {
  const texts: Texts = { data, context, at: 0, index: 0 };
  return (w, next) => writeTexts(w, next, texts);
}

interface Texts {
  readonly data: Uint8Array;
  readonly context: WriteContext;
  /** Where the next one begins. */
  at: number;
  index: number;
}

function* writeTexts(w: JsonWriter, next: Next, texts: Texts): Sliced<void> {
  const { data, context } = texts;
  const { bytes } = context.style ?? OIP_STYLE;
  if (next.count === 0) {
    put(w, emptyArrays(next.shape, context.label));
    return;
  }
  const nesting = openNesting(next.shape);
  put(w, nesting.start);
  for (const to = texts.index + next.count; texts.index < to; texts.index++) {
    const { at, index } = texts;
    const end = at + 4 + readU32(data, at);
    const element = data.subarray(at + 4, end);
    const isText = bytes !== "b64" && (yield* findInvalidUtf8(element)) < 0;
    if (!isText && bytes === "text") throw notText(index, context);
    put(w, nesting.next());
    yield* writeText(w, element, { isText, pace: context.pace });
    // what an element costs beside its bytes, so that many small ones count too
    if (isDue(context.pace, 64)) yield;
    texts.at = end;
  }
  put(w, nesting.end);
}

function notText(index: number, { label, carrier = BINARY_EXTENSION }: WriteContext): InferError {
  return new InferError(
    "unsupported",
    `${label}: element ${index} is not UTF-8, so JSON cannot carry it; ${carrier} can`,
  );
}
