// Values written in a config as a tensor's canonical bytes.

import { type Datatype, ELEMENT_BYTES, elementCount, joinBytesElements, type Tensor } from "./tensor.ts";
import { show } from "./words.ts";

export interface FixedWords {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** A value, or values flat or nested, in row-major order. */
  readonly data: unknown;
}

/**
 * The tensor that the words describe.
 *
 * @throws Error saying what was expected and what was got, when a value is not of the datatype or the count is not the shape's
 */
export function fixedTensor({ name, datatype, shape, data }: FixedWords): Tensor {
  const values = flat(data);
  const count = elementCount(shape);
  if (values.length !== count) {
    throw new Error(`expected ${count} values for shape [${shape.join(",")}], got ${values.length}`);
  }
  return { name, datatype, shape, data: bytesOf(datatype, values) };
}

function flat(data: unknown): readonly unknown[] {
  return Array.isArray(data) ? data.flat(Number.POSITIVE_INFINITY) : [data];
}

function bytesOf(datatype: Datatype, values: readonly unknown[]): Uint8Array {
  if (datatype === "BYTES") {
    return joinBytesElements(values.map((value) => new TextEncoder().encode(text(value))));
  }
  const write = WRITERS[datatype];
  const width = ELEMENT_BYTES[datatype];
  const data = new Uint8Array(values.length * width);
  const view = new DataView(data.buffer);
  for (const [i, value] of values.entries()) write(view, i * width, value);
  return data;
}

type Write = (view: DataView, at: number, value: unknown) => void;

const WRITERS: Readonly<Record<Exclude<Datatype, "BYTES">, Write>> = {
  BOOL: (view, at, value) => view.setUint8(at, truth(value)),
  UINT8: (view, at, value) => view.setUint8(at, Number(whole(value, 0n, 255n))),
  UINT16: (view, at, value) => view.setUint16(at, Number(whole(value, 0n, 65_535n)), true),
  UINT32: (view, at, value) => view.setUint32(at, Number(whole(value, 0n, 2n ** 32n - 1n)), true),
  UINT64: (view, at, value) => view.setBigUint64(at, whole(value, 0n, 2n ** 64n - 1n), true),
  INT8: (view, at, value) => view.setInt8(at, Number(whole(value, -128n, 127n))),
  INT16: (view, at, value) => view.setInt16(at, Number(whole(value, -32_768n, 32_767n)), true),
  INT32: (view, at, value) => view.setInt32(at, Number(whole(value, -(2n ** 31n), 2n ** 31n - 1n)), true),
  INT64: (view, at, value) => view.setBigInt64(at, whole(value, -(2n ** 63n), 2n ** 63n - 1n), true),
  FP16: (view, at, value) => view.setFloat16(at, real(value), true),
  // the upper half of the FP32, rounded to nearest, ties to even
  BF16: (view, at, value) => {
    view.setUint16(at, upperHalf(real(value)), true);
  },
  FP32: (view, at, value) => view.setFloat32(at, real(value), true),
  FP64: (view, at, value) => view.setFloat64(at, real(value), true),
};

function upperHalf(value: number): number {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, value);
  if (Number.isNaN(value)) return 0x7fc0;
  const word = bits.getUint32(0);
  return Math.floor((word + 0x7fff + ((word >>> 16) & 1)) / 65_536) & 0xffff;
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new Error(`expected text, got ${show(value)}`);
}

function truth(value: unknown): number {
  if (typeof value === "boolean") return Number(value);
  throw new Error(`expected true or false, got ${show(value)}`);
}

function real(value: unknown): number {
  if (typeof value === "number") return value;
  throw new Error(`expected a number, got ${show(value)}`);
}

function whole(value: unknown, min: bigint, max: bigint): bigint {
  const isWhole = typeof value === "number" ? Number.isSafeInteger(value) : /^-?\d+$/.test(String(value));
  if (!isWhole || typeof value === "boolean") {
    throw new Error(`expected a whole number, and beyond 2^53 one in quotes, got ${show(value)}`);
  }
  const number = BigInt(value as number | string);
  if (number < min || number > max) throw new Error(`expected a number in [${min}, ${max}], got ${number}`);
  return number;
}
