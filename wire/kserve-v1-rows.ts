// Tells a body of rows from one of a caller's own form on a path that both may come to, by its names alone.

import { InferError } from "../core/error.ts";
import { firstKey, isSliceOver, nextKey, openScanner, skipSpace } from "./json-scan.ts";
import { skipValue } from "./json-skip.ts";
import type { WireLimits } from "./oip-json.ts";
import type { Sliced } from "./sliced.ts";

/** The names that hold rows or columns, and the one that TensorFlow Serving alone knows. */
const ROWS: ReadonlySet<string> = new Set(["instances", "inputs", "signature_name"]);

/**
 * Whether the body is to be read as rows: it has a name of theirs, or is no JSON object at all, which their reader then
 * says best. It looks no further than the first such name.
 */
export function* holdsRows(body: Uint8Array, limits: WireLimits): Sliced<boolean> {
  const s = openScanner(body, { maxNesting: limits.maxNesting });
  try {
    if (skipSpace(s) !== 0x7b) return true;
    for (let key = firstKey(s, "an object"); key !== undefined; key = nextKey(s)) {
      if (ROWS.has(key)) return true;
      yield* skipValue(s, 1);
      if (isSliceOver(s)) yield;
    }
    return skipSpace(s) !== 0;
  } catch (error) {
    if (error instanceof InferError) return true;
    throw error;
  }
}
