// Casts a tensor's values from one datatype to another; a value that does not fit is refused, never altered beyond rounding.

import { type Datatype, ELEMENT_BYTES } from "../../core/tensor.ts";
import type { Sliced } from "../../wire/sliced.ts";

/** A datatype whose values are numbers or truth values. */
export type Numeric = Exclude<Datatype, "BYTES">;

/** Elements between two stops: well under a millisecond. */
const SLICE_ELEMENTS = 32 * 1024;

/**
 * The values of `data` as another datatype, in canonical bytes.
 *
 * Whole numbers must be in the range of the new datatype. A number with a fraction, a NaN or an infinity does not go into
 * whole numbers. Between floating point datatypes, and from whole numbers to them, values are rounded to the nearest, ties
 * to even; a finite value never becomes infinite. Only 0 and 1 become BOOL.
 *
 * @param refuse makes the error for the first value that does not fit
 */
export function* cast(
  data: Uint8Array,
  types: { readonly from: Numeric; readonly to: Numeric },
  refuse: (value: number | bigint, index: number) => Error,
): Sliced<Uint8Array> {
  const { from, to } = types;
  const count = data.byteLength / ELEMENT_BYTES[from];
  const out = Buffer.allocUnsafeSlow(count * ELEMENT_BYTES[to]);
  const source = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const sink = new DataView(out.buffer, out.byteOffset, out.byteLength);
  const read = READ[from];
  const put = PUT[to];
  const [step, width] = [ELEMENT_BYTES[from], ELEMENT_BYTES[to]];
  for (let start = 0; start < count; start += SLICE_ELEMENTS) {
    const end = Math.min(count, start + SLICE_ELEMENTS);
    for (let i = start; i < end; i += 1) {
      const value = read(source, i * step);
      if (!put(sink, i * width, value)) throw refuse(value, i);
    }
    if (end < count) yield;
  }
  return out;
}

type Value = number | bigint;
type Read = (view: DataView, at: number) => Value;
/** Writes a value, or says that it does not fit. */
type Put = (view: DataView, at: number, value: Value) => boolean;

const READ: Readonly<Record<Numeric, Read>> = {
  BOOL: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
  UINT8: (view, at) => view.getUint8(at),
  UINT16: (view, at) => view.getUint16(at, true),
  UINT32: (view, at) => view.getUint32(at, true),
  UINT64: (view, at) => view.getBigUint64(at, true),
  INT8: (view, at) => view.getInt8(at),
  INT16: (view, at) => view.getInt16(at, true),
  INT32: (view, at) => view.getInt32(at, true),
  INT64: (view, at) => view.getBigInt64(at, true),
  FP16: (view, at) => view.getFloat16(at, true),
  BF16: (view, at) => {
    bits.setUint32(0, view.getUint16(at, true) * 65_536);
    return bits.getFloat32(0);
  },
  FP32: (view, at) => view.getFloat32(at, true),
  FP64: (view, at) => view.getFloat64(at, true),
};

const PUT: Readonly<Record<Numeric, Put>> = {
  BOOL: whole(0, 1, (view, at, value) => view.setUint8(at, value)),
  UINT8: whole(0, 255, (view, at, value) => view.setUint8(at, value)),
  UINT16: whole(0, 65_535, (view, at, value) => view.setUint16(at, value, true)),
  UINT32: whole(0, 2 ** 32 - 1, (view, at, value) => view.setUint32(at, value, true)),
  UINT64: wide(0n, 2n ** 64n - 1n, (view, at, value) => view.setBigUint64(at, value, true)),
  INT8: whole(-128, 127, (view, at, value) => view.setInt8(at, value)),
  INT16: whole(-32_768, 32_767, (view, at, value) => view.setInt16(at, value, true)),
  INT32: whole(-(2 ** 31), 2 ** 31 - 1, (view, at, value) => view.setInt32(at, value, true)),
  INT64: wide(-(2n ** 63n), 2n ** 63n - 1n, (view, at, value) => view.setBigInt64(at, value, true)),
  FP16: float((view, at, value) => {
    view.setFloat16(at, value, true);
    return view.getFloat16(at, true);
  }),
  BF16: float((view, at, value) => {
    view.setUint16(at, upperHalf(value), true);
    return Number(READ.BF16(view, at));
  }),
  FP32: float((view, at, value) => {
    view.setFloat32(at, value, true);
    return view.getFloat32(at, true);
  }),
  FP64: float((view, at, value) => {
    view.setFloat64(at, value, true);
    return value;
  }),
};

// A scratch of four bytes, written and read within one call.
const bits = new DataView(new ArrayBuffer(4));

function whole(min: number, max: number, set: (view: DataView, at: number, value: number) => void): Put {
  return (view, at, value) => {
    if (typeof value === "number" ? !Number.isInteger(value) : value < BigInt(min) || value > BigInt(max)) return false;
    const number = Number(value);
    if (number < min || number > max) return false;
    set(view, at, number);
    return true;
  };
}

function wide(min: bigint, max: bigint, set: (view: DataView, at: number, value: bigint) => void): Put {
  return (view, at, value) => {
    if (typeof value === "number" && !Number.isInteger(value)) return false;
    const number = BigInt(value);
    if (number < min || number > max) return false;
    set(view, at, number);
    return true;
  };
}

/** `set` writes the nearest value and returns what was written. */
function float(set: (view: DataView, at: number, value: number) => number): Put {
  return (view, at, value) => {
    const number = Number(value);
    const written = set(view, at, number);
    return Number.isFinite(written) || !Number.isFinite(number);
  };
}

/** The BF16 nearest to a number, ties to even. It is rounded once, from the double: by way of FP32 it would be twice. */
function upperHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  bits.setFloat32(0, value);
  const word = bits.getUint32(0);
  const low = word & 0xffff;
  const floor = word >>> 16;
  if (low === 0x8000) {
    // what FP32 made a tie was perhaps none: the double says on which side it lies
    const rest = Math.abs(value) - Math.abs(bits.getFloat32(0));
    return rest > 0 ? floor + 1 : rest < 0 ? floor : floor + (floor & 1);
  }
  return floor + (low > 0x8000 ? 1 : 0);
}
