// The elements of a tensor as values a person reads, exactly as they are.

import { bytesElements, ELEMENT_BYTES, elementCount, type Tensor } from "../../core/tensor.ts";

/** One element: a bigint for 64-bit integers, text for BYTES, a boolean for BOOL. */
export type Value = number | bigint | string | boolean;

/** The first `most` elements, in row-major order. */
export function valuesOf(tensor: Tensor, most: number): readonly Value[] {
  const { datatype, data } = tensor;
  if (datatype === "BYTES") {
    const texts: string[] = [];
    for (const element of bytesElements(data)) {
      if (texts.length === most) break;
      texts.push(Buffer.from(element).toString());
    }
    return texts;
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const count = Math.min(most, elementCount(tensor.shape));
  const width = ELEMENT_BYTES[datatype];
  return Array.from({ length: count }, (_, i) => READ[datatype](view, i * width));
}

const READ: Readonly<Record<Exclude<Tensor["datatype"], "BYTES">, (view: DataView, at: number) => Value>> = {
  BOOL: (view, at) => view.getUint8(at) !== 0,
  UINT8: (view, at) => view.getUint8(at),
  UINT16: (view, at) => view.getUint16(at, true),
  UINT32: (view, at) => view.getUint32(at, true),
  UINT64: (view, at) => view.getBigUint64(at, true),
  INT8: (view, at) => view.getInt8(at),
  INT16: (view, at) => view.getInt16(at, true),
  INT32: (view, at) => view.getInt32(at, true),
  INT64: (view, at) => view.getBigInt64(at, true),
  FP16: (view, at) => view.getFloat16(at, true),
  // bfloat16 is the upper half of a float32
  BF16: (view, at) => new Float32Array(new Uint32Array([view.getUint16(at, true) << 16]).buffer)[0] ?? 0,
  FP32: (view, at) => view.getFloat32(at, true),
  FP64: (view, at) => view.getFloat64(at, true),
};

/** Floats with seven digits, which is what a float32 holds; text in quotes; everything else as it is. */
export function valueText(value: Value): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(7)));
}

/** The index of the largest value; the first of equals. */
export function argmax(values: readonly number[]): number {
  let best = 0;
  for (const [i, value] of values.entries()) if (value > (values[best] ?? Number.NEGATIVE_INFINITY)) best = i;
  return best;
}

/** The rows of a matrix of floats that reads as probabilities, at most `most` rows; undefined for anything else. */
export function probabilityRows(tensor: Tensor, most: number): readonly (readonly number[])[] | undefined {
  const { datatype, shape } = tensor;
  const columns = shape.at(-1) ?? 0;
  if (!/^(FP16|BF16|FP32|FP64)$/.test(datatype) || shape.length === 0 || shape.length > 2 || columns < 2)
    return undefined;
  const rows = Math.min(most, shape.length === 1 ? 1 : (shape[0] ?? 0));
  const values = valuesOf(tensor, rows * columns).map(Number);
  const matrix = Array.from({ length: rows }, (_, i) => values.slice(i * columns, (i + 1) * columns));
  const isShare = (row: readonly number[]) =>
    row.every((value) => value >= 0 && value <= 1.0001) &&
    Math.abs(row.reduce((sum, value) => sum + value, 0) - 1) < 0.01;
  return rows > 0 && matrix.every(isShare) ? matrix : undefined;
}
