// Whether rows are independent: the same rows run alone and together must have equal answers.

import type { InferResponse } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";

/** How far two answers may be apart, relative to the larger value, since sums are added in another order in a batch. */
const RELATIVE: Readonly<Partial<Record<Tensor["datatype"], number>>> = {
  FP16: 1e-2,
  BF16: 5e-2,
  FP32: 1e-3,
  FP64: 1e-6,
};
/** What counts as nothing beside the largest value of the tensor. */
const FLOOR = 1e-4;

/**
 * What differs between the answers of the same rows alone and in a batch: a sentence, or undefined where they are equal.
 * Floats may differ by what another order of additions explains; all else must be the same bytes.
 */
export function differenceOf(alone: InferResponse, together: InferResponse): string | undefined {
  if (alone.outputs.length !== together.outputs.length) return "they have not the same outputs";
  for (const one of alone.outputs) {
    const other = together.outputs.find(({ name }) => name === one.name);
    if (other === undefined) return `output "${one.name}" is missing in the batch`;
    if (other.datatype !== one.datatype || other.shape.join() !== one.shape.join()) {
      return `output "${one.name}" has another form in the batch`;
    }
    if (!sameValues(one, other)) return `output "${one.name}" has other values in the batch`;
  }
  return undefined;
}

function sameValues(one: Tensor, other: Tensor): boolean {
  const relative = RELATIVE[one.datatype];
  if (relative === undefined) return Buffer.compare(one.data, other.data) === 0;
  const [a, b] = [valuesOf(one), valuesOf(other)];
  const largest = a.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
  return a.every((value, i) => {
    const found = b[i] as number;
    if (Object.is(value, found) || (Number.isNaN(value) && Number.isNaN(found))) return true;
    return (
      Math.abs(value - found) <= relative * Math.max(Math.abs(value), Math.abs(found)) + FLOOR * relative * largest
    );
  });
}

function valuesOf({ datatype, data }: Tensor): readonly number[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  switch (datatype) {
    case "FP64":
      return Array.from({ length: data.byteLength / 8 }, (_, i) => view.getFloat64(8 * i, true));
    case "FP32":
      return Array.from({ length: data.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
    case "FP16":
      return Array.from({ length: data.byteLength / 2 }, (_, i) => view.getFloat16(2 * i, true));
    case "BF16":
      return Array.from({ length: data.byteLength / 2 }, (_, i) => upper(view.getUint16(2 * i, true)));
    default:
      return [];
  }
}

function upper(half: number): number {
  const word = new DataView(new ArrayBuffer(4));
  word.setUint16(0, half);
  return word.getFloat32(0);
}
