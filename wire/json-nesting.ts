// The brackets and commas between the elements of nested JSON arrays.

import { InferError } from "../core/error.ts";

/** What stands before, between and behind the elements of one value. */
export interface Nesting {
  readonly start: string;
  readonly end: string;
  /** What stands before the next element, the first included. */
  next(): string;
  /** The longest that `next` gives. */
  readonly maxBetween: number;
}

/** The nesting of a shape without zeros. */
export function openNesting(shape: readonly number[]): Nesting {
  const rank = shape.length;
  const innermost = shape[rank - 1] ?? 1;
  const betweens = Array.from({ length: rank }, (_, closed) => `${"]".repeat(closed)},${"[".repeat(closed)}`);
  let written = 0;
  let left = innermost + 1;
  return {
    start: "[".repeat(rank),
    end: "]".repeat(rank),
    maxBetween: rank * 2 + 1,
    next() {
      left -= 1;
      if (left > 0) return written++ === 0 ? "" : ",";
      left = innermost;
      const closed = arraysEnded(written, shape);
      written += 1;
      return betweens[closed] as string;
    },
  };
}

// How many arrays end before the element at an index that is a multiple of the innermost size.
function arraysEnded(index: number, shape: readonly number[]): number {
  let closed = 0;
  let rest = index;
  for (let dimension = shape.length - 1; dimension > 0; dimension--) {
    const size = shape[dimension] as number;
    if (rest % size !== 0) break;
    rest /= size;
    closed += 1;
  }
  return closed;
}

/** Arrays that a tensor without elements is written as, at most. */
const MAX_EMPTY_ARRAYS = 4096;

/**
 * The arrays of a shape with a zero, down to the empty ones: sizes behind the zero cannot be said.
 *
 * @throws InferError unsupported for more than 4,096 of them
 */
export function emptyArrays(shape: readonly number[], label: string): string {
  let text = "[]";
  let arrays = 1;
  for (const size of shape.slice(0, shape.indexOf(0)).reverse()) {
    arrays *= size;
    if (arrays > MAX_EMPTY_ARRAYS) {
      throw new InferError(
        "unsupported",
        `${label}: shape [${shape.join(",")}] is over ${MAX_EMPTY_ARRAYS} empty arrays`,
      );
    }
    text = `[${Array.from({ length: size }, () => text).join(",")}]`;
  }
  return text;
}
