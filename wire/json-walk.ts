// Walks the nested arrays of a tensor in JSON, in slices, and hands the elements to a loop that reads them.

import { invalid } from "../core/error.ts";
import { type Leaf, type Run, refuseElement } from "./json-leaf.ts";
import { type Scanner, skipSpace, spend, syntaxError } from "./json-scan.ts";
import { tooDeep } from "./json-skip.ts";

/** A walk through one value. */
export interface Walk {
  readonly run: Run;
  /** How many arrays and objects are open around the value. */
  readonly depth: number;
  /** Sizes of the dimensions; -1 where it is not known yet, and is then that of the first array met there. */
  readonly sizes: number[];
  /** The number of dimensions; -1 as long as it is not known. */
  rank: number;
  /** All elements may also stand in one array. */
  readonly flat: boolean;
  expected: "value" | "element or ]" | "separator" | "rest";
  /**
   * How deep the elements lie: 0 for a bare scalar, 1 for flat, the rank for nested; -1 as long as that is not known.
   */
  leafDepth: number;
}

/** What is known of a value before the walk. */
export interface WalkStart {
  /** `input "image"`: how errors name the tensor. */
  readonly label: string;
  /** `data`: how errors name the value. */
  readonly root: () => string;
  readonly depth: number;
  /** The shape, -1 for sizes that are not known; absent when nothing is known of it. */
  readonly shape?: readonly number[];
  readonly flat: boolean;
}

export function openWalk(start: WalkStart): Walk {
  const { label, root, depth, shape, flat } = start;
  return {
    run: { label, root, index: 0, from: 0, limit: NO_LIMIT, place: "after", open: [] },
    depth,
    sizes: [...(shape ?? [])],
    rank: shape === undefined ? -1 : shape.length,
    flat,
    expected: "value",
    leafDepth: -1,
  };
}

const NO_LIMIT = 0x7fffffff;

/** Makes ready for another value of the same shape, whose elements follow those read. */
export function walkAgain(walk: Walk): void {
  walk.expected = "value";
  walk.run.limit = NO_LIMIT;
  walk.run.place = "after";
}

/** The shape that was met; what nobody could see, because an array around it was empty, is 0 or as it was known. */
export function shapeOf(walk: Walk): readonly number[] {
  return walk.sizes.map((size) => Math.max(0, size));
}

/** One slice of the walk, or to its end: true. */
export function walkOn(s: Scanner, walk: Walk, leaf: Leaf): boolean {
  const { open } = walk.run;
  for (;;) {
    if (walk.expected === "separator") {
      if (open.length === 0) return true;
      separate(s, walk);
    } else if (walk.expected === "rest") {
      readRun(s, walk, leaf);
    } else {
      const byte = skipSpace(s);
      if (byte === 0x5b) openArray(s, walk);
      else if (byte === 0x5d && walk.expected === "element or ]") closeArray(s, walk);
      else beginRun(s, walk, leaf);
    }
    if (s.at >= s.stopAt) return walk.expected === "separator" && open.length === 0;
  }
}

function openArray(s: Scanner, walk: Walk): void {
  const { run, rank } = walk;
  const depth = run.open.length;
  if (walk.depth + depth >= s.maxNesting) throw tooDeep(s);
  const isTooDeep = (rank >= 0 && depth >= rank) || walk.leafDepth === depth;
  if (isTooDeep && (depth > 0 || !walk.flat)) {
    throw refuseElement(s, run, walk.leafDepth === depth ? "an element" : `an element of shape ${sizesText(walk)}`);
  }
  run.open.push(0);
  spend(s, 8);
  walk.expected = "element or ]";
  s.at += 1;
}

function beginRun(s: Scanner, walk: Walk, leaf: Leaf): void {
  const { run } = walk;
  const depth = run.open.length;
  run.from = run.index;
  if (walk.leafDepth < 0) {
    if (!fits(walk, depth)) throw refuseElement(s, run, depth === 0 ? "an array" : "[");
    walk.leafDepth = depth;
    if (walk.rank < 0) walk.rank = depth;
  }
  if (walk.leafDepth !== depth) throw refuseElement(s, run, "[");
  if (depth === 0) run.limit = run.index + 1;
  readRun(s, walk, leaf);
}

// Where no rank is known, arrays deeper than this may have been met already, all of them empty.
function fits({ rank, sizes, flat, run }: Walk, depth: number): boolean {
  if (rank < 0) return sizes.length <= depth;
  return depth === rank || (flat && depth === 1 && run.open[0] === 0);
}

function readRun(s: Scanner, walk: Walk, leaf: Leaf): void {
  const { run } = walk;
  leaf(s, run);
  if (run.place === "inside") {
    walk.expected = "rest";
    return;
  }
  const last = run.open.length - 1;
  if (last >= 0) run.open[last] = (run.open[last] as number) + run.index - run.from;
  run.from = run.index;
  walk.expected = run.place === "comma" ? "value" : "separator";
}

function separate(s: Scanner, walk: Walk): void {
  const byte = skipSpace(s);
  if (byte === 0x5d) {
    closeArray(s, walk);
    return;
  }
  if (byte !== 0x2c) throw syntaxError(s, ", or ]");
  s.at += 1;
  walk.expected = "value";
}

function closeArray(s: Scanner, walk: Walk): void {
  const { run, sizes } = walk;
  const depth = run.open.length;
  const children = run.open.pop() as number;
  const isFlat = walk.flat && depth === 1 && (walk.leafDepth === 1 || children === 0);
  const size = sizes[depth - 1] ?? -1;
  if (size < 0) {
    // arrays end from the inside out, so sizes further out may not be known yet
    while (sizes.length < depth) sizes.push(-1);
    sizes[depth - 1] = children;
  } else if (!isFlat && children !== size) {
    const place = `${run.root()}${run.open.map((at) => `[${at}]`).join("")}`;
    throw invalid(`${run.label}: shape ${sizesText(walk)} needs ${size} items in ${place}, got ${children}`);
  }
  const parent = depth - 2;
  if (parent >= 0) run.open[parent] = (run.open[parent] as number) + 1;
  s.at += 1;
  walk.expected = "separator";
}

function sizesText({ sizes }: Walk): string {
  return `[${sizes.map((size) => (size < 0 ? "?" : size)).join(",")}]`;
}
