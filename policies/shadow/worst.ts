// The worst cases of a shadow, kept with copies of their inputs in bounded memory.

import type { InferRequest } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { Difference } from "./compare.ts";

export interface WorstCase {
  /** The caller's id for the request. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly version: string;
  readonly shadowVersion: string;
  readonly worst: Difference;
  /** Absent where they were too large to keep. */
  readonly inputs?: readonly Tensor[];
}

export interface Worst {
  /** Keeps the case where it is among the worst; copies its inputs only then. */
  offer(found: Omit<WorstCase, "inputs">, request: InferRequest): void;
  /** The worst first. */
  list(): readonly WorstCase[];
}

export interface WorstLimits {
  readonly cases: number;
  /** Of the inputs of all cases together. */
  readonly maxBytes: number;
}

export function openWorst({ cases, maxBytes }: WorstLimits): Worst {
  const kept: WorstCase[] = [];
  const heldBytes = () => kept.reduce((sum, { inputs }) => sum + bytesOf(inputs ?? []), 0);
  return {
    offer(found, { inputs }) {
      const least = kept.at(-1);
      if (kept.length === cases && least !== undefined && !worse(found, least)) return;
      if (kept.length === cases) kept.pop();
      const place = kept.findIndex((one) => worse(found, one));
      const fits = bytesOf(inputs) + heldBytes() <= maxBytes;
      const whole: WorstCase = fits ? { ...found, inputs: inputs.map(copy) } : found;
      kept.splice(place < 0 ? kept.length : place, 0, whole);
    },
    list: () => [...kept],
  };
}

function worse(a: Pick<WorstCase, "worst">, b: Pick<WorstCase, "worst">): boolean {
  return a.worst.difference > b.worst.difference;
}

function bytesOf(inputs: readonly Tensor[]): number {
  return inputs.reduce((sum, { data }) => sum + data.byteLength, 0);
}

/** A view would keep the whole body, or the whole batch, in memory. */
function copy(tensor: Tensor): Tensor {
  return { ...tensor, data: new Uint8Array(tensor.data) };
}
