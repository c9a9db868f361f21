// How far one answer is from another, output by output; a generator, so that large answers do not hold the event loop.

import type { Tensor } from "../../core/tensor.ts";
import type { CompareOptions, NanPolicy, Rule } from "./compare-words.ts";
import { type Numbers, numbersOf } from "./numbers.ts";

/** How one output of the two answers differs. */
export interface Difference {
  readonly output: string;
  /** How far apart they are, in the rule's own measure; 0 for equal, Infinity where they cannot be compared. */
  readonly difference: number;
  readonly same: boolean;
  /** Why, in words: the element that is furthest off, or why nothing could be compared. */
  readonly why: string;
}

/** Elements between two pauses: about a millisecond. */
const STEP = 50_000;

type Work<T> = Generator<void, T, void>;

/**
 * Compares the outputs of `answer` with those of `other`. What is measured: the largest distance of two elements
 * (rtol and atol), the share of rows that do not agree (argmax), the share of the k largest that are not shared (topK),
 * 1 less the cosine, 0 or 1 (exact).
 */
export function* compareOutputs(
  answer: readonly Tensor[],
  other: readonly Tensor[],
  { every, outputs }: CompareOptions,
): Work<readonly Difference[]> {
  const names = new Set([...answer, ...other].map(({ name }) => name));
  const found: Difference[] = [];
  for (const name of names) {
    const pair = { a: answer.find((one) => one.name === name), b: other.find((one) => one.name === name) };
    found.push({ output: name, ...(yield* compareTensors(pair.a, pair.b, outputs.get(name) ?? every)) });
  }
  return found;
}

type Compared = Omit<Difference, "output">;

function* compareTensors(a: Tensor | undefined, b: Tensor | undefined, rule: Rule): Work<Compared> {
  if (a === undefined || b === undefined) return apart(`only the ${a === undefined ? "shadow" : "answer"} has it`);
  const shapes = [a, b].map(({ datatype, shape }) => `${datatype} [${shape.join(",")}]`);
  if (shapes[0] !== shapes[1]) return apart(`${shapes[0]} against ${shapes[1]}`);
  const [x, y] = [numbersOf(a), numbersOf(b)];
  if (rule.by === "exact" || x === undefined || y === undefined) return exact(a, b);
  const columns = Math.max(1, a.shape.length < 2 ? x.count : (a.shape.at(-1) ?? 1));
  switch (rule.by) {
    case "tolerance":
      return yield* tolerance(x, y, rule);
    case "argmax":
      return yield* byRows({ x, y, columns, k: 1 }, rule);
    case "topK":
      return yield* byRows({ x, y, columns, k: Math.min(rule.k, columns) }, rule);
    case "cosine":
      return yield* cosine(x, y, rule);
    default:
      return rule satisfies never;
  }
}

function apart(why: string): Compared {
  return { difference: Number.POSITIVE_INFINITY, same: false, why };
}

function exact(a: Tensor, b: Tensor): Compared {
  const same = Buffer.compare(a.data, b.data) === 0;
  return { difference: same ? 0 : 1, same, why: same ? "equal" : "not equal" };
}

interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
  readonly nan: NanPolicy;
}

// The rule of numpy.allclose, with the answer that the caller got as the reference: |a - b| <= atol + rtol |a|.
function* tolerance(x: Numbers, y: Numbers, { rtol, atol, nan }: Tolerance): Work<Compared> {
  let worst = 0;
  let worstAt = -1;
  let beyond = 0;
  for (let i = 0; i < x.count; i += 1) {
    if (i % STEP === STEP - 1) yield;
    const [a, b] = [x.at(i), y.at(i)];
    const distance = distanceOf(a, b, nan);
    if (distance > worst || (worstAt < 0 && distance > 0)) {
      worst = distance;
      worstAt = i;
    }
    // an infinite reference would allow everything
    if (distance > 0 && !(Number.isFinite(distance) && distance <= atol + rtol * Math.abs(a))) beyond += 1;
  }
  const where = worstAt < 0 ? "equal" : `element ${worstAt} is ${x.at(worstAt)} against ${y.at(worstAt)}`;
  return {
    difference: worst,
    same: beyond === 0,
    why: beyond === 0 ? where : `${where}, ${beyond} of ${x.count} beyond`,
  };
}

function distanceOf(a: number, b: number, nan: NanPolicy): number {
  if (a === b) return 0;
  if (Number.isNaN(a) && Number.isNaN(b)) return nan === "same" ? 0 : Number.POSITIVE_INFINITY;
  const distance = Math.abs(a - b);
  return Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
}

interface Rows {
  readonly x: Numbers;
  readonly y: Numbers;
  readonly columns: number;
  readonly k: number;
}

interface Agreement {
  readonly agree: number;
  readonly nan: NanPolicy;
}

/** The share of the k largest elements that the rows do not have in common; NaN is larger than any number, or like nothing. */
function* byRows({ x, y, columns, k }: Rows, { agree, nan }: Agreement): Work<Compared> {
  const rows = Math.floor(x.count / columns);
  let shared = 0;
  let first = "";
  let since = 0;
  for (let row = 0; row < rows; row += 1) {
    const a = yield* largest(x, { row, columns, k }, nan);
    const b = yield* largest(y, { row, columns, k }, nan);
    const common = a.filter((column) => b.includes(column)).length / k;
    shared += common;
    if (common < 1 && first === "") first = `row ${row} has ${a.join(",")} against ${b.join(",")}`;
    since += columns * 2;
    if (since < STEP) continue;
    since = 0;
    yield;
  }
  const agreement = rows === 0 ? 1 : shared / rows;
  return { difference: 1 - agreement, same: agreement >= agree, why: first === "" ? "equal" : first };
}

interface Window {
  readonly row: number;
  readonly columns: number;
  readonly k: number;
}

/** The columns of the k largest elements of a row, the earlier one of equals; none of them is a NaN where NaN is like nothing. */
function* largest(numbers: Numbers, { row, columns, k }: Window, nan: NanPolicy): Work<readonly number[]> {
  const best: { readonly column: number; readonly value: number }[] = [];
  for (let column = 0; column < columns; column += 1) {
    if (column % STEP === STEP - 1) yield;
    const read = numbers.at(row * columns + column);
    if (Number.isNaN(read) && nan === "different") continue;
    const value = Number.isNaN(read) ? Number.POSITIVE_INFINITY : read;
    const last = best.at(-1);
    if (best.length === k && last !== undefined && last.value >= value) continue;
    if (best.length === k) best.pop();
    const at = best.findIndex((one) => one.value < value);
    best.splice(at < 0 ? best.length : at, 0, { column, value });
  }
  return best.map(({ column }) => column);
}

interface Cosine {
  readonly least: number;
  readonly nan: NanPolicy;
}

function* cosine(x: Numbers, y: Numbers, { least, nan }: Cosine): Work<Compared> {
  let [dot, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.count; i += 1) {
    if (i % STEP === STEP - 1) yield;
    const [a, b] = [x.at(i), y.at(i)];
    // two NaN at one place are left out where they are the same
    if (nan === "same" && Number.isNaN(a) && Number.isNaN(b)) continue;
    dot += a * b;
    xx += a * a;
    yy += b * b;
  }
  const value = xx === 0 && yy === 0 ? 1 : dot / Math.sqrt(xx * yy);
  if (Number.isNaN(value)) return apart("the cosine is not a number");
  return { difference: Math.max(0, 1 - value), same: value >= least, why: `cosine ${value}` };
}
