// Rows of tensors joined into one tensor and cut apart again.

import { InferError, invalid } from "../../core/error.ts";
import { ELEMENT_BYTES, elementCount, readU32, type Tensor } from "../../core/tensor.ts";

/** Bytes that are copied before a slice ends: about a quarter of a millisecond. */
const COPY_BYTES = 1024 * 1024;
/** Elements of BYTES that are walked before a slice ends. */
const WALK_ELEMENTS = 50_000;

/**
 * One tensor of all rows, in their order, in one new buffer; after them `padding` copies of the first row. One tensor
 * alone without padding is itself. Yields between slices of the copy.
 *
 * @param tensors at least one; equal in name, with checked bytes
 * @throws InferError invalid-argument when datatypes or shapes of rows are not the same
 */
export function* joinRows(tensors: readonly Tensor[], padding = 0): Generator<void, Tensor, void> {
  const [first, ...others] = tensors;
  if (first === undefined) throw invalid("expected tensors to join, got none");
  if (others.length === 0 && padding === 0) return first;
  for (const other of others) checkAlike(first, other);
  const row = padding === 0 ? undefined : firstRow(first);
  const rows = tensors.reduce((sum, one) => sum + rowsIn(one), padding);
  const total = tensors.reduce((sum, { data }) => sum + data.byteLength, padding * (row?.byteLength ?? 0));
  const data = new Uint8Array(total);
  let at = 0;
  let copied = 0;
  for (const { data: part } of tensors) {
    for (let from = 0; from < part.byteLength; from += COPY_BYTES) {
      if (copied >= COPY_BYTES) {
        copied = 0;
        yield;
      }
      const piece = part.subarray(from, from + COPY_BYTES);
      data.set(piece, at);
      at += piece.byteLength;
      copied += piece.byteLength;
    }
  }
  for (let i = 0; row !== undefined && i < padding; i += 1) {
    data.set(row, at);
    at += row.byteLength;
  }
  return { ...first, shape: [rows, ...first.shape.slice(1)], data };
}

/**
 * The tensor as several, of so many rows each, as views into its bytes; rows beyond their sum are padding and left out.
 * Yields while it walks long BYTES.
 *
 * @throws InferError bad-backend when the bytes are not those of the shape
 */
export function* cutRows(tensor: Tensor, counts: readonly number[]): Generator<void, readonly Tensor[], void> {
  const row = tensor.shape.slice(1);
  const ends = ELEMENT_BYTES[tensor.datatype] === 0 ? yield* walkedEnds(tensor, counts) : fixedEnds(tensor, counts);
  let at = 0;
  return counts.map((rows, i) => {
    const end = ends[i] as number;
    const data = tensor.data.subarray(at, end);
    at = end;
    return { ...tensor, shape: [rows, ...row], data };
  });
}

/** The first dimension; a scalar has none and counts as misshapen wherever rows are cut. */
export function rowsIn({ shape }: Tensor): number {
  return shape[0] ?? 0;
}

function checkAlike(first: Tensor, other: Tensor): void {
  const same =
    other.datatype === first.datatype &&
    other.shape.length === first.shape.length &&
    other.shape.every((size, i) => i === 0 || size === first.shape[i]);
  if (same) return;
  const text = (one: Tensor) => `${one.datatype} of shape [${one.shape.join(",")}]`;
  throw invalid(`tensor "${first.name}": rows of ${text(first)} and ${text(other)} cannot be joined`);
}

function firstRow(tensor: Tensor): Uint8Array {
  if (rowsIn(tensor) === 0) throw invalid(`tensor "${tensor.name}": expected a row to pad with, got none`);
  const width = ELEMENT_BYTES[tensor.datatype];
  const elements = elementCount(tensor.shape.slice(1));
  if (width > 0) return tensor.data.subarray(0, elements * width);
  let end = 0;
  for (let i = 0; i < elements; i += 1) end += 4 + readU32(tensor.data, end);
  return tensor.data.subarray(0, end);
}

function fixedEnds(tensor: Tensor, counts: readonly number[]): readonly number[] {
  const rowBytes = elementCount(tensor.shape.slice(1)) * ELEMENT_BYTES[tensor.datatype];
  if (tensor.data.byteLength !== rowBytes * rowsIn(tensor)) throw wrongBytes(tensor);
  let at = 0;
  return counts.map((rows) => {
    at += rows * rowBytes;
    return at;
  });
}

function* walkedEnds(tensor: Tensor, counts: readonly number[]): Generator<void, readonly number[], void> {
  const { data } = tensor;
  const perRow = elementCount(tensor.shape.slice(1));
  const ends: number[] = [];
  let at = 0;
  let walked = 0;
  const kept = counts.reduce((sum, rows) => sum + rows, 0);
  for (const rows of [...counts, rowsIn(tensor) - kept]) {
    for (let i = 0; i < rows * perRow; i += 1) {
      if (at + 4 > data.byteLength) throw wrongBytes(tensor);
      at += 4 + readU32(data, at);
      walked += 1;
      if (walked % WALK_ELEMENTS === 0) yield;
    }
    ends.push(at);
  }
  if (at !== data.byteLength) throw wrongBytes(tensor);
  return ends;
}

function wrongBytes({ name, shape, datatype, data }: Tensor): InferError {
  const text = `${datatype} of shape [${shape.join(",")}] does not have ${data.byteLength} bytes`;
  return new InferError("bad-backend", `output "${name}": ${text}`);
}
