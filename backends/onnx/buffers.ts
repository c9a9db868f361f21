// Buffers that carry inputs to the workers and come back with the answers, kept for reuse by size.

import { openKeptBuffers } from "../../core/kept-buffers.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { WireTensor } from "./messages.ts";

/** Where an input starts in its buffer: a multiple of a cache line, so of every element's size too. */
const ALIGN_BYTES = 64;

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
  const kept = openKeptBuffers(maxKeptBytes);
  return {
    pack(inputs) {
      const total = inputs.reduce((sum, input) => sum + roundUp(input.data.byteLength), 0);
      if (inputs.length === 0) return { tensors: [], buffer: undefined };
      const buffer = kept.take(total);
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
    keep: kept.keep,
    get keptBytes() {
      return kept.keptBytes;
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
