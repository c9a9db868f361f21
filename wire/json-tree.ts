// A JSON value as a plain tree whose numbers keep their own text, for expressions that look into an answer of unknown form.

import { invalid } from "../core/error.ts";
import { skipNumber, skipWord } from "./json-number.ts";
import {
  firstItem,
  firstKey,
  isSliceOver,
  nextItem,
  nextKey,
  openScanner,
  readText,
  type Scanner,
  STEP_BYTES,
  skipSpace,
  spend,
  syntaxError,
} from "./json-scan.ts";
import { skipValue, tooDeep } from "./json-skip.ts";
import { doubleText, type JsonWriter, put, putString } from "./json-write.ts";
import { isDue, type Pace, type Sliced, type SliceOptions } from "./sliced.ts";
import { findInvalidUtf8 } from "./utf8.ts";

/** A JSON value; a number may be a marked text. */
export type Tree = string | number | boolean | null | readonly Tree[] | { readonly [name: string]: Tree };

/** Stands before the text of a number, or of a null, that is kept as it was written; a text that begins so gets another one. */
const MARK = "\u0000";

/**
 * What becomes of numbers. `texts`: numbers and nulls are texts, so that nothing about them changes on the way; `values`:
 * they are JavaScript's, and only integers beyond 2^53 are texts.
 */
export type TreeNumbers = "texts" | "values";

/**
 * A scanner at the first byte of JSON text that has been checked from end to end.
 *
 * @throws InferError invalid-argument when it is not one JSON value in UTF-8 (bare NaN and Infinity tokens pass)
 */
export function* openJson(text: Uint8Array, options: SliceOptions & { readonly maxNesting: number }): Sliced<Scanner> {
  const wrong = yield* findInvalidUtf8(text);
  if (wrong >= 0) throw invalid(`malformed JSON at byte ${wrong}: expected UTF-8`);
  const check = openScanner(text, options);
  yield* skipValue(check, 0);
  if (skipSpace(check) !== 0 || check.at < check.end) throw syntaxError(check, "the end of the text");
  return openScanner(text, options);
}

/**
 * Reads the value at the scanner's place.
 *
 * @param how.depth how many arrays and objects are open around it
 * @throws InferError invalid-argument when it is not JSON or nested too deep
 */
export function* readTree(s: Scanner, how: { readonly numbers: TreeNumbers; readonly depth: number }): Sliced<Tree> {
  const { numbers, depth } = how;
  spend(s, STEP_BYTES);
  if (isSliceOver(s)) yield;
  const byte = skipSpace(s);
  if ((byte === 0x7b || byte === 0x5b) && depth >= s.maxNesting) throw tooDeep(s);
  if (byte === 0x22) return markText(readText(s));
  if (byte === 0x5b) {
    const items: Tree[] = [];
    for (let more = firstItem(s, "an array"); more; more = nextItem(s)) {
      items.push(yield* readTree(s, { numbers, depth: depth + 1 }));
    }
    return items;
  }
  if (byte === 0x7b) {
    // no prototype: a name such as "constructor" is only a name
    const members = Object.create(null) as Record<string, Tree>;
    for (let key = firstKey(s, "an object"); key !== undefined; key = nextKey(s)) {
      members[key] = yield* readTree(s, { numbers, depth: depth + 1 });
    }
    return members;
  }
  return readLeaf(s, numbers);
}

function readLeaf(s: Scanner, numbers: TreeNumbers): Tree {
  if (skipWord(s, "true")) return true;
  if (skipWord(s, "false")) return false;
  if (skipWord(s, "null")) return numbers === "texts" ? `${MARK}null` : null;
  const from = s.at;
  const kind = skipNumber(s);
  if (kind === "none") throw syntaxError(s, "a value");
  const text = s.text.toString("latin1", from, s.at);
  if (numbers === "texts") return MARK + text;
  if (kind === "nan") return Number.NaN;
  if (kind === "infinity") return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const value = Number(text);
  return kind === "integer" && !Number.isSafeInteger(value) ? MARK + text : value;
}

function markText(text: string): string {
  return text.startsWith(MARK) ? MARK + MARK + text : text;
}

/** Writes a tree as JSON: marked texts as the numbers that they were, values with the fewest digits that read back alike. */
export function* writeTree(w: JsonWriter, tree: Tree, pace: Pace): Sliced<void> {
  if (isDue(pace, STEP_BYTES)) yield;
  if (typeof tree === "string") {
    if (!tree.startsWith(MARK)) putString(w, tree);
    else if (tree.startsWith(MARK, 1)) putString(w, tree.slice(2));
    else put(w, tree.slice(1));
    return;
  }
  if (typeof tree === "number") {
    put(w, Number.isInteger(tree) && !Object.is(tree, -0) ? String(tree) : doubleText(tree));
    return;
  }
  if (tree === null || typeof tree === "boolean") {
    put(w, String(tree));
    return;
  }
  if (isList(tree)) {
    put(w, "[");
    for (let i = 0; i < tree.length; i++) {
      if (i > 0) put(w, ",");
      yield* writeTree(w, tree[i] as Tree, pace);
    }
    put(w, "]");
    return;
  }
  let before = "{";
  for (const [name, value] of Object.entries(tree)) {
    put(w, before);
    putString(w, name);
    put(w, ":");
    yield* writeTree(w, value, pace);
    before = ",";
  }
  put(w, before === "{" ? "{}" : "}");
}

const isList = (tree: Tree): tree is readonly Tree[] => Array.isArray(tree);
