// Reads the elements of a tensor as numbers, one at a time and at any alignment.

import { type Datatype, ELEMENT_BYTES, type Tensor } from "../../core/tensor.ts";

/** The elements of a tensor by their index. */
export interface Numbers {
  readonly count: number;
  at(i: number): number;
}

type Read = (view: DataView, at: number) => number;

const READERS: Readonly<Record<Exclude<Datatype, "BYTES">, Read>> = {
  BOOL: (view, at) => view.getUint8(at),
  UINT8: (view, at) => view.getUint8(at),
  UINT16: (view, at) => view.getUint16(at, true),
  UINT32: (view, at) => view.getUint32(at, true),
  UINT64: (view, at) => Number(view.getBigUint64(at, true)),
  INT8: (view, at) => view.getInt8(at),
  INT16: (view, at) => view.getInt16(at, true),
  INT32: (view, at) => view.getInt32(at, true),
  INT64: (view, at) => Number(view.getBigInt64(at, true)),
  FP16: (view, at) => view.getFloat16(at, true),
  // the upper half of an FP32
  BF16: (view, at) => fromUpperHalf(view.getUint16(at, true)),
  FP32: (view, at) => view.getFloat32(at, true),
  FP64: (view, at) => view.getFloat64(at, true),
};

/** The tensor's numbers; undefined for BYTES, which has none. 64-bit integers are rounded to doubles. */
export function numbersOf({ datatype, data }: Tensor): Numbers | undefined {
  if (datatype === "BYTES") return undefined;
  const read = READERS[datatype];
  const width = ELEMENT_BYTES[datatype];
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return { count: data.byteLength / width, at: (i) => read(view, i * width) };
}

function fromUpperHalf(half: number): number {
  const exponent = (half >>> 7) & 0xff;
  const fraction = half & 0x7f;
  const sign = half >>> 15 === 0 ? 1 : -1;
  if (exponent === 0xff) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -133;
  return sign * (1 + fraction / 128) * 2 ** (exponent - 127);
}
