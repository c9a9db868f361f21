// What the loops over a tensor's elements share: where they stand, and how they refuse an element.

import { type InferError, invalid } from "../core/error.ts";
import { excerpt, peek, type Scanner, skipSpace } from "./json-scan.ts";

/** Where a loop over elements stands when it returns: behind an element, behind a comma, or inside a long element. */
export type Place = "after" | "comma" | "inside";

/** Elements of one tensor being read, a run of them at a time: the elements of one array, none nested. */
export interface Run {
  /** `input "image"`: how errors name the tensor. */
  readonly label: string;
  /** `data`: how errors name the value whose elements these are. */
  readonly root: () => string;
  /** Elements read so far in the whole tensor, and where the present run began. */
  index: number;
  from: number;
  /** The run ends here: one element for a bare scalar, else beyond any count. Elements too many are only counted. */
  limit: number;
  place: Place;
  /** Children before this run of each array that is open, the outermost first. */
  readonly open: number[];
}

/**
 * Reads elements from the scanner's place until the slice ends or something else than a comma follows. The scanner
 * stands at an element, white space before it allowed; each call reads at least one (or a slice of one).
 */
export type Leaf = (s: Scanner, run: Run) => void;

/** Steps over the comma behind an element; false, and the run is over, where none stands or the slice is used up. */
export function goesOn(s: Scanner, run: Run): boolean {
  run.index += 1;
  run.place = "after";
  if (run.index >= run.limit || (peek(s) !== 0x2c && skipSpace(s) !== 0x2c)) return false;
  s.at += 1;
  run.place = "comma";
  return s.at < s.stopAt;
}

/** The error for the element at the scanner's place: what was expected, where in the data, what stands there. */
export function refuseElement(s: Scanner, run: Run, what: string): InferError {
  const last = run.open.length - 1;
  const path = run.open.map((children, depth) => `[${depth === last ? children + run.index - run.from : children}]`);
  return invalid(`${run.label}: expected ${what} at ${run.root()}${path.join("")}, got ${excerpt(s, s.at)}`);
}

/**
 * Why a fast loop stopped: at an element that has to be read with care, behind an element that no comma follows at
 * once, or behind a comma where the slice ends.
 */
export type Stop = "odd element" | "no comma" | "slice over";
