// Which of the usual forms a JSON body has: rows under `instances`, KServe's V2, or the values themselves.

import type { DecodeLimits } from "../../../core/protocol.ts";
import { firstItem, firstKey, nextKey, type Scanner, skipSpace } from "../../../wire/json-scan.ts";
import { skipValue } from "../../../wire/json-skip.ts";
import { openJson } from "../../../wire/json-tree.ts";
import type { Sliced } from "../../../wire/sliced.ts";

/** White space looked through before a body counts as something else, in bytes. */
const MAX_SPACE = 1024;

/** Whether a body begins as an object or a list does. */
export function looksLikeJson(body: Uint8Array): boolean {
  const limit = Math.min(body.byteLength, MAX_SPACE);
  for (let at = 0; at < limit; at++) {
    const byte = body[at] as number;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte === 0x7b || byte === 0x5b;
  }
  return false;
}

/**
 * The form of a JSON body; an object that begins with one of the model's own inputs is one of values.
 *
 * @throws InferError invalid-argument when it is not JSON
 */
export function* formatOfJson(
  body: Uint8Array,
  known: Pick<DecodeLimits, "maxNesting"> & { readonly names: readonly string[] },
): Sliced<"json-instances" | "kserve-v2" | "json"> {
  const s = yield* openJson(body, { maxNesting: known.maxNesting });
  if (skipSpace(s) !== 0x7b) return "json";
  for (let key = firstKey(s, "an object"); key !== undefined; key = nextKey(s)) {
    if (known.names.includes(key)) return "json";
    if (key === "instances") return "json-instances";
    if (key === "inputs") return (yield* isTensorList(s)) ? "kserve-v2" : "json-instances";
    yield* skipValue(s, 1);
  }
  return "json";
}

/** Whether the value at the scanner's place is a list of objects with a datatype. */
function* isTensorList(s: Scanner): Sliced<boolean> {
  if (skipSpace(s) !== 0x5b || !firstItem(s, "[") || skipSpace(s) !== 0x7b) return false;
  for (let key = firstKey(s, "an object"); key !== undefined; key = nextKey(s)) {
    if (key === "datatype") return true;
    yield* skipValue(s, 3);
  }
  return false;
}
