// Tensors in their canonical form: little-endian, row-major bytes; BYTES as u32 length + bytes, repeated.

import { invalid } from "./error.ts";

/** Bytes of one element by datatype; 0 for BYTES, whose elements vary. Source: Open Inference Protocol, tensor data types. */
export const ELEMENT_BYTES = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  BF16: 2,
  FP32: 4,
  FP64: 8,
  BYTES: 0,
} as const;

export type Datatype = keyof typeof ELEMENT_BYTES;

export const DATATYPES = Object.keys(ELEMENT_BYTES) as readonly Datatype[];

/** A parameter's value: bigint is an integer on the wire, number a double. */
export type ParameterValue = string | boolean | bigint | number;
export type Parameters = ReadonlyMap<string, ParameterValue>;

export const NO_PARAMETERS: Parameters = new Map();

/**
 * One named array. `data` is lent, immutable and never detached: whoever keeps it after the call copies it, and nobody
 * transfers its ArrayBuffer, which it may share with its neighbours.
 */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  /** Sizes of the dimensions; empty for a scalar; zeros are allowed. */
  readonly shape: readonly number[];
  readonly parameters?: Parameters;
  readonly data: Uint8Array;
}

export function isDatatype(word: string): word is Datatype {
  return Object.hasOwn(ELEMENT_BYTES, word);
}

/**
 * The number of elements of a shape: 1 for a scalar, 0 when any dimension is 0.
 *
 * @throws InferError invalid-argument when a dimension is no whole number of at least 0, or the count passes 2^53
 */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  let empty = false;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw invalid(`shape [${shape.join(",")}]: expected whole numbers of at least 0, got ${size}`);
    }
    if (size === 0) empty = true;
    else count *= size;
    if (!Number.isSafeInteger(count)) throw invalid(`shape [${shape.join(",")}] has more elements than can be counted`);
  }
  return empty ? 0 : count;
}

/**
 * Checks that a tensor's bytes are what its datatype and shape need. For BYTES it walks the length prefixes: they are
 * checked once, where the tensor enters, and trusted from there on.
 *
 * @throws InferError invalid-argument naming the tensor, the bytes needed and the bytes got
 */
export function checkTensor(tensor: Tensor): void {
  const count = elementCount(tensor.shape);
  const width = ELEMENT_BYTES[tensor.datatype];
  if (width === 0) {
    checkBytesElements(tensor, count);
    return;
  }
  const needed = count * width;
  if (tensor.data.byteLength !== needed) {
    throw invalid(
      `tensor "${tensor.name}": ${tensor.datatype} of shape [${tensor.shape.join(",")}] needs ${needed} bytes, got ${tensor.data.byteLength}`,
    );
  }
}

function checkBytesElements(tensor: Tensor, count: number): void {
  const { data, name } = tensor;
  let at = 0;
  let seen = 0;
  while (at < data.byteLength) {
    if (seen === count) {
      throw invalid(`tensor "${name}": shape [${tensor.shape.join(",")}] needs ${count} BYTES elements, got more`);
    }
    if (at + 4 > data.byteLength) throw invalid(`tensor "${name}": element ${seen} ends inside its length prefix`);
    const length = readU32(data, at);
    if (length > data.byteLength - at - 4) {
      throw invalid(
        `tensor "${name}": element ${seen} says ${length} bytes, ${data.byteLength - at - 4} bytes are left`,
      );
    }
    at += 4 + length;
    seen += 1;
  }
  if (seen !== count) {
    throw invalid(`tensor "${name}": shape [${tensor.shape.join(",")}] needs ${count} BYTES elements, got ${seen}`);
  }
}

/** The elements of a BYTES tensor, as views into its data, which must have been checked. */
export function* bytesElements(data: Uint8Array): Generator<Uint8Array> {
  let at = 0;
  while (at < data.byteLength) {
    const end = at + 4 + readU32(data, at);
    yield data.subarray(at + 4, end);
    at = end;
  }
}

/** The canonical bytes of a BYTES tensor's elements. */
export function joinBytesElements(elements: readonly Uint8Array[]): Uint8Array {
  let total = 0;
  for (const element of elements) total += 4 + element.byteLength;
  const data = new Uint8Array(total);
  const view = new DataView(data.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.byteLength, true);
    data.set(element, at + 4);
    at += 4 + element.byteLength;
  }
  return data;
}

/** An unsigned 32-bit little-endian number at any offset. */
export function readU32(data: Uint8Array, at: number): number {
  return (
    ((data[at] as number) |
      ((data[at + 1] as number) << 8) |
      ((data[at + 2] as number) << 16) |
      ((data[at + 3] as number) << 24)) >>>
    0
  );
}
