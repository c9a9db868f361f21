// Writes tensors as the JSON of row protocols: nested values, rows and columns.

import { InferError } from "../core/error.ts";
import { elementCount, type Tensor } from "../core/tensor.ts";
import { type ElementStyle, type Elements, openElements } from "./json-elements.ts";
import { type JsonWriter, put, putString } from "./json-write.ts";
import { isDue, type Pace, type Sliced } from "./sliced.ts";
import { OTHER_ROWS } from "./split-rows.ts";

/** How tensors are written. */
export interface WriteRows {
  /** How errors name a tensor. */
  readonly word: "input" | "output";
  readonly pace: Pace;
  /** `named`: objects even for one tensor; `bare`: values without names, for one tensor only. */
  readonly form: "bare" | "named";
  /**
   * `shortest` (absent: this): few digits that read back to the same bits, `3` for 3.0; `fraction`: the same with `.0`
   * behind whole numbers, so that a reader without types sees floats; or a text of the caller's own.
   */
  readonly floats?: ElementStyle["floats"];
  /** NaN and infinities: bare tokens (absent: this), or refused as `unsupported`, naming the element. */
  readonly odd?: ElementStyle["odd"];
  /**
   * BYTES: `text` (absent: this; refused as `unsupported` where it is no UTF-8), `b64` as `{"b64": ...}`, or `either`:
   * text where the element is UTF-8, else b64. A function decides by the tensor's name.
   */
  readonly bytes?: ElementStyle["bytes"] | ((name: string) => ElementStyle["bytes"]);
  /** What can carry what JSON cannot, for errors: `protocol: grpc`. */
  readonly carrier?: string;
}

/**
 * Writes tensors as rows: `[1.5, 2.5]`, `[{"a": 1, "b": [2, 3]}, ...]`; the first dimension of each is the number of
 * rows.
 *
 * @throws InferError unsupported when they have no first dimension or differ in it, or for an element that JSON cannot
 * carry
 */
export function* writeRows(w: JsonWriter, tensors: readonly Tensor[], how: WriteRows): Sliced<void> {
  const rows = rowsOf(tensors, how);
  const [first] = tensors;
  if (how.form === "bare" && first !== undefined) {
    checkBare(tensors, how);
    yield* writeValue(w, first, how);
    return;
  }
  const columns = tensors.map((tensor) => openColumn(tensor, rows, how));
  put(w, "[");
  for (let row = 0; row < rows; row++) {
    put(w, row === 0 ? "{" : ",{");
    for (const column of columns) {
      put(w, column === columns[0] ? column.key : `,${column.key}`);
      yield* column.elements.write(w, column.next);
      if (isDue(how.pace, column.key.length)) yield;
    }
    put(w, "}");
  }
  put(w, "]");
}

/**
 * Writes tensors as columns: `{"a": [..], "b": [[..]]}`, or the one value itself.
 *
 * @throws InferError unsupported for an element that JSON cannot carry
 */
export function* writeColumns(w: JsonWriter, tensors: readonly Tensor[], how: WriteRows): Sliced<void> {
  const [first] = tensors;
  if (how.form === "bare" && first !== undefined) {
    checkBare(tensors, how);
    yield* writeValue(w, first, how);
    return;
  }
  let before = "{";
  for (const tensor of tensors) {
    put(w, before);
    putString(w, tensor.name);
    put(w, ":");
    yield* writeValue(w, tensor, how);
    before = ",";
  }
  put(w, before === "{" ? "{}" : "}");
}

/** Writes one tensor nested as its shape says, a scalar bare. @throws InferError unsupported as `writeColumns` */
export function* writeValue(w: JsonWriter, tensor: Tensor, how: WriteRows): Sliced<void> {
  const elements = elementsOf(tensor, how);
  yield* elements.write(w, { count: elements.count, shape: tensor.shape });
}

interface Column {
  /** The name as JSON, and a colon. */
  readonly key: string;
  readonly elements: Elements;
  readonly next: { readonly count: number; readonly shape: readonly number[] };
}

function openColumn(tensor: Tensor, rows: number, how: WriteRows): Column {
  const elements = elementsOf(tensor, how);
  const shape = tensor.shape.slice(1);
  const count = rows === 0 ? 0 : elementCount(shape);
  return { key: `${JSON.stringify(tensor.name)}:`, elements, next: { count, shape } };
}

function elementsOf(tensor: Tensor, how: WriteRows): Elements {
  const label = `${how.word} "${tensor.name}"`;
  if (tensor.datatype === "FP16" || tensor.datatype === "BF16") {
    const carrier = how.carrier ?? "the Open Inference Protocol's binary form";
    throw new InferError("unsupported", `${label}: ${tensor.datatype} has no JSON form; ${carrier} carries it`);
  }
  const { floats = "shortest", odd = "token", bytes = "text", carrier, pace } = how;
  const style = { floats, odd, bytes: typeof bytes === "function" ? bytes(tensor.name) : bytes };
  return openElements(tensor, { label, pace, style, ...(carrier === undefined ? {} : { carrier }) });
}

function rowsOf(tensors: readonly Tensor[], how: WriteRows): number {
  let rows: number | undefined;
  for (const { name, shape } of tensors) {
    const [size] = shape;
    if (size === undefined) {
      const said = "a scalar cannot be written as rows; the Open Inference Protocol carries it";
      throw new InferError("unsupported", `${how.word} "${name}": ${said}`);
    }
    if (rows !== undefined && size !== rows) {
      throw new InferError("unsupported", `${how.word} "${name}": expected ${rows} rows, got ${size}; ${OTHER_ROWS}`);
    }
    rows = size;
  }
  return rows ?? 0;
}

function checkBare(tensors: readonly Tensor[], how: WriteRows): void {
  if (tensors.length === 1) return;
  throw new InferError("unsupported", `expected one ${how.word} for values without names, got ${tensors.length}`);
}
