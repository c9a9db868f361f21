// Tensors cut along their first dimension, for bodies that hold a row a line.

import { InferError } from "../core/error.ts";
import { ELEMENT_BYTES, elementCount, readU32, type Tensor } from "../core/tensor.ts";

/** Who carries tensors that have not equally many rows. */
export const OTHER_ROWS = "the Open Inference Protocol carries tensors of other row counts";

/**
 * The rows of tensors: for each, every tensor's part of it, without the first dimension, as a view.
 *
 * @throws InferError unsupported when they have no first dimension or differ in it
 */
export function* splitRows(tensors: readonly Tensor[]): Generator<readonly Tensor[]> {
  const rows = countRows(tensors);
  const cursors = tensors.map((tensor) => ({ tensor, shape: tensor.shape.slice(1), at: 0 }));
  for (let row = 0; row < rows; row++) {
    yield cursors.map((cursor) => {
      const { tensor, shape, at } = cursor;
      cursor.at = endOf(tensor, elementCount(shape), at);
      return { ...tensor, shape, data: tensor.data.subarray(at, cursor.at) };
    });
  }
}

function countRows(tensors: readonly Tensor[]): number {
  let rows: number | undefined;
  for (const { name, shape } of tensors) {
    const [size] = shape;
    if (size === undefined) {
      const said = "a scalar cannot be written as rows; the Open Inference Protocol carries it";
      throw new InferError("unsupported", `input "${name}": ${said}`);
    }
    if (rows !== undefined && size !== rows) {
      throw new InferError("unsupported", `input "${name}": expected ${rows} rows, got ${size}; ${OTHER_ROWS}`);
    }
    rows = size;
  }
  return rows ?? 0;
}

function endOf({ datatype, data }: Tensor, count: number, from: number): number {
  const width = ELEMENT_BYTES[datatype];
  if (width > 0) return from + count * width;
  let at = from;
  for (let i = 0; i < count; i++) at += 4 + readU32(data, at);
  return at;
}
