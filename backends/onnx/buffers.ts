// Buffers that carry inputs to the workers and come back with the answers, kept for reuse by size.

import type { Tensor } from "../../core/tensor.ts";
import type { WireTensor } from "./messages.ts";

/** Where an input starts in its buffer: a multiple of a cache line, so of every element's size too. */
const ALIGN_BYTES = 64;
const SMALLEST_BYTES = 1024;

/** The inputs of one run, in one buffer that may be transferred. */
export interface Packed {
  readonly tensors: readonly WireTensor[];
  readonly buffer: ArrayBuffer | undefined;
}

export interface Buffers {
  /**
   * Copies the inputs, once, into a buffer of our own. A request's bytes are never transferred themselves: a small body
   * lies in Node's shared pool, and with a larger one every sibling view would be emptied.
   */
  pack(inputs: readonly Tensor[]): Packed;
  /** Takes a buffer back; one that has been transferred away, or more than may be kept, is let go. */
  keep(buffer: ArrayBuffer): void;
  readonly keptBytes: number;
}

/** @param maxKeptBytes how many bytes may lie about unused */
export function openBuffers(maxKeptBytes: number): Buffers {
  const bySize = new Map<number, ArrayBuffer[]>();
  let keptBytes = 0;
  const take = (bytes: number): ArrayBuffer => {
    const size = sizeClass(bytes);
    const kept = bySize.get(size)?.pop();
    if (kept === undefined) return new ArrayBuffer(size);
    keptBytes -= size;
    return kept;
  };
  return {
    pack(inputs) {
      const total = inputs.reduce((sum, input) => sum + roundUp(input.data.byteLength), 0);
      if (inputs.length === 0) return { tensors: [], buffer: undefined };
      const buffer = take(total);
      let at = 0;
      const tensors = inputs.map((input) => {
        const { name, datatype, shape } = input;
        const data = new Uint8Array(buffer, at, input.data.byteLength);
        data.set(input.data);
        at += roundUp(input.data.byteLength);
        return { name, datatype, shape, data };
      });
      return { tensors, buffer };
    },
    keep(buffer) {
      const size = buffer.byteLength;
      if (size < SMALLEST_BYTES || size !== sizeClass(size) || keptBytes + size > maxKeptBytes) return;
      const kept = bySize.get(size);
      if (kept === undefined) bySize.set(size, [buffer]);
      else kept.push(buffer);
      keptBytes += size;
    },
    get keptBytes() {
      return keptBytes;
    },
  };
}

/** The inputs as they are, for a transport that copies them itself. */
export function unpacked(inputs: readonly Tensor[]): Packed {
  return {
    tensors: inputs.map(({ name, datatype, shape, data }) => ({ name, datatype, shape, data })),
    buffer: undefined,
  };
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES;
}

// four sizes to a doubling: at most a quarter of a buffer is unused
function sizeClass(bytes: number): number {
  if (bytes <= SMALLEST_BYTES) return SMALLEST_BYTES;
  const step = 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}
