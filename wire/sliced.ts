// Work that stops now and then, so that no codec holds the event loop however large the body is.

import type { Sliced } from "../core/run.ts";

export type { Sliced };

/** Bytes of JSON scanned or written between two stops when nothing else is said: about a millisecond. */
export const SLICE_BYTES = 128 * 1024;

/** How a codec may be driven; tests use tiny slices so that every place of resumption is met. */
export interface SliceOptions {
  /** Bytes between two stops; SLICE_BYTES when absent. */
  readonly sliceBytes?: number;
}

/** Runs the work to its end at once. */
export function runNow<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** Counts the bytes of a slice. */
export interface Pace {
  readonly sliceBytes: number;
  spent: number;
}

export function openPace(options: SliceOptions): Pace {
  return { sliceBytes: Math.max(1, options.sliceBytes ?? SLICE_BYTES), spent: 0 };
}

/** Counts bytes; true when the slice is used up and a new one begins: the caller yields. */
export function isDue(pace: Pace, bytes: number): boolean {
  pace.spent += bytes;
  if (pace.spent < pace.sliceBytes) return false;
  pace.spent = 0;
  return true;
}
