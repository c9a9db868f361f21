// Numbers and literals of JSON one at a time: the careful way, for everything the fast loops leave aside.

import { invalid } from "../core/error.ts";
import { MAX_NUMBER_BYTES, peek, type Scanner } from "./json-scan.ts";

/** What a number token is: `none` where no number stands. */
export type NumberKind = "integer" | "decimal" | "nan" | "infinity" | "none";

/**
 * Steps over a number: JSON's, or one of the bare tokens NaN, Infinity, -Infinity, Inf, -Inf that Triton reads and
 * writes. Nothing is stepped over when the answer is `none`.
 *
 * @throws InferError invalid-argument for a number of over 4,096 characters
 */
export function skipNumber(s: Scanner): NumberKind {
  const from = s.at;
  const kind = skipNumberToken(s);
  if (kind === "none") {
    s.at = from;
    return "none";
  }
  if (s.at - from > MAX_NUMBER_BYTES)
    throw invalid(`the number at byte ${from} is longer than ${MAX_NUMBER_BYTES} bytes`);
  return kind;
}

function skipNumberToken(s: Scanner): NumberKind {
  if (peek(s) === 0x2d) s.at += 1;
  else if (skipWord(s, "NaN")) return "nan";
  if (skipWord(s, "Infinity") || skipWord(s, "Inf")) return "infinity";
  const first = peek(s);
  if (first === 0x30) s.at += 1;
  else if (skipDigits(s) === 0) return "none";
  let kind: NumberKind = "integer";
  if (peek(s) === 0x2e) {
    s.at += 1;
    if (skipDigits(s) === 0) return "none";
    kind = "decimal";
  }
  if ((peek(s) | 0x20) === 0x65) {
    s.at += 1;
    if (peek(s) === 0x2b || peek(s) === 0x2d) s.at += 1;
    if (skipDigits(s) === 0) return "none";
    kind = "decimal";
  }
  return kind;
}

// The limit is checked after the token, so a run of digits stops soon behind it.
function skipDigits(s: Scanner): number {
  const from = s.at;
  const to = Math.min(s.end, from + MAX_NUMBER_BYTES + 1);
  while (s.at < to && isDigit(s.text[s.at] as number)) s.at += 1;
  return s.at - from;
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Steps over the word when it stands there. */
export function skipWord(s: Scanner, word: string): boolean {
  if (s.end - s.at < word.length) return false;
  for (let i = 0; i < word.length; i++) {
    if (s.text[s.at + i] !== word.charCodeAt(i)) return false;
  }
  s.at += word.length;
  return true;
}

/**
 * The number at the scanner's place as the double nearest to it, exactly as JSON.parse gives it. Undefined, and nothing
 * stepped over, where no number stands or where a finite literal is beyond every double: a value is right or refused.
 */
export function readDouble(s: Scanner): number | undefined {
  const from = s.at;
  const kind = skipNumber(s);
  if (kind === "none") return undefined;
  if (kind === "nan") return Number.NaN;
  if (kind === "infinity") return s.text[from] === 0x2d ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const value = Number(s.text.toString("latin1", from, s.at));
  if (Number.isFinite(value)) return value;
  s.at = from;
  return undefined;
}
