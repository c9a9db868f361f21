// Steps over a JSON value of any size, in slices, checking that it is JSON.

import { invalid } from "../core/error.ts";
import { skipNumber, skipWord } from "./json-number.ts";
import { isSliceOver, type Scanner, skipEscape, skipPlain, skipSpace, syntaxError } from "./json-scan.ts";
import type { Sliced } from "./sliced.ts";

/**
 * Steps over the value at the scanner's place. `depth` says how many arrays and objects are open around it.
 *
 * @throws InferError invalid-argument when it is not JSON (bare NaN and Infinity tokens pass) or nested too deep
 */
export function* skipValue(s: Scanner, depth: number): Sliced<void> {
  const walk: Walk = { depth, open: [], expected: "value" };
  while (!walkOn(s, walk)) {
    if (isSliceOver(s)) yield;
  }
}

interface Walk {
  readonly depth: number;
  /** True for an object, false for an array, the innermost last. */
  readonly open: boolean[];
  expected: "value" | "item or ]" | "name" | "name or }" | "rest of name" | "rest of text" | "separator";
}

// One slice, or to the end: true.
function walkOn(s: Scanner, walk: Walk): boolean {
  for (;;) {
    switch (walk.expected) {
      case "value":
      case "item or ]":
        beginValue(s, walk);
        break;
      case "name":
      case "name or }":
        beginName(s, walk);
        break;
      case "rest of name":
      case "rest of text":
        if (!skipString(s)) return false;
        endString(s, walk);
        break;
      case "separator":
        if (walk.open.length === 0) return true;
        separate(s, walk);
        break;
    }
    if (s.at >= s.stopAt && !(walk.expected === "separator" && walk.open.length === 0)) return false;
  }
}

function beginValue(s: Scanner, walk: Walk): void {
  const byte = skipSpace(s);
  if (byte === 0x5d && walk.expected === "item or ]") {
    close(s, walk);
    return;
  }
  if (byte === 0x7b || byte === 0x5b) {
    if (walk.depth + walk.open.length >= s.maxNesting) throw tooDeep(s);
    walk.open.push(byte === 0x7b);
    walk.expected = byte === 0x7b ? "name or }" : "item or ]";
    s.at += 1;
    return;
  }
  if (byte === 0x22) {
    s.at += 1;
    walk.expected = "rest of text";
    return;
  }
  if (!skipLiteral(s) && skipNumber(s) === "none") throw syntaxError(s, "a value");
  walk.expected = "separator";
}

/** The error for arrays and objects nested beyond the limit. */
export function tooDeep(s: Scanner): Error {
  return invalid(`nested deeper than ${s.maxNesting} arrays and objects at byte ${s.at}`);
}

/** Steps over true, false or null when one stands there. */
export function skipLiteral(s: Scanner): boolean {
  return skipWord(s, "true") || skipWord(s, "false") || skipWord(s, "null");
}

function beginName(s: Scanner, walk: Walk): void {
  const byte = skipSpace(s);
  if (byte === 0x7d && walk.expected === "name or }") {
    close(s, walk);
    return;
  }
  if (byte !== 0x22) throw syntaxError(s, walk.expected === "name" ? "a name" : "a name or }");
  s.at += 1;
  walk.expected = "rest of name";
}

function endString(s: Scanner, walk: Walk): void {
  if (walk.expected === "rest of text") {
    walk.expected = "separator";
    return;
  }
  if (skipSpace(s) !== 0x3a) throw syntaxError(s, ":");
  s.at += 1;
  walk.expected = "value";
}

function separate(s: Scanner, walk: Walk): void {
  const inObject = walk.open[walk.open.length - 1] === true;
  const byte = skipSpace(s);
  if (byte === (inObject ? 0x7d : 0x5d)) {
    close(s, walk);
    return;
  }
  if (byte !== 0x2c) throw syntaxError(s, inObject ? ", or }" : ", or ]");
  s.at += 1;
  walk.expected = inObject ? "name" : "value";
}

function close(s: Scanner, walk: Walk): void {
  s.at += 1;
  walk.open.pop();
  walk.expected = "separator";
}

/** Steps over the rest of a string, up to the end of the slice; true when its closing quote was met. */
export function skipString(s: Scanner): boolean {
  while (s.at < s.stopAt) {
    const byte = skipPlain(s, Math.min(s.end, s.stopAt));
    if (byte === 0x22) {
      s.at += 1;
      return true;
    }
    if (byte === 0x5c) skipEscape(s);
    else if (s.at >= s.end) throw syntaxError(s, 'a closing "');
    else if (s.at < s.stopAt) throw syntaxError(s, "an escape instead of a control character");
  }
  return false;
}
