// The fast loop that reads FP64 elements of a JSON array.

import type { Run, Stop } from "./json-leaf.ts";
import type { Scanner } from "./json-scan.ts";
import { MAX_POWER, TEN, timesPower } from "./powers.ts";

/** Mantissas below this are held exactly. */
const EXACT = 2 ** 53;
/** The loop reads this far ahead without asking whether the text ends. */
const MARGIN = 64;

/**
 * Reads elements while they look as numbers usually do. One function, since calls and boxed doubles would cost more
 * than the digits: per element the sign, the digits (four at a time where a fraction has them) as mantissa and rest,
 * the exponent, then one exact operation where mantissa and power are exact (Clinger), else a product with a known
 * error.
 */
export function readDoubles(s: Scanner, run: Run, out: Float64Array): Stop {
  const { text, view } = s;
  const tens = TEN;
  const lastFour = s.end - 4;
  const fastEnd = Math.min(s.stopAt, s.end - MARGIN);
  let start = s.at;
  let index = run.index;
  while (start < fastEnd) {
    let at = start;
    let byte = text[at] as number;
    if (byte === 0x20) byte = text[++at] as number;
    const isNegative = byte === 0x2d;
    if (isNegative) byte = text[++at] as number;
    const first = byte - 0x30;
    if (first >>> 0 > 9) break;
    let mantissa = first;
    byte = text[++at] as number;
    if (byte !== 0x2e) {
      const from = at;
      while ((byte - 0x30) >>> 0 <= 9 && at - from < 14) {
        mantissa = mantissa * 10 + (byte - 0x30);
        byte = text[++at] as number;
      }
      if ((byte - 0x30) >>> 0 <= 9 || (first === 0 && at > from)) break;
    }
    let power = 0;
    let rest = 0;
    let restDigits = 0;
    if (byte === 0x2e) {
      const from = ++at;
      // as in readFloats; a zero run may be long, so the end is watched
      let four = view.getInt32(at, true) ^ 0x30303030;
      let ends = ((four + 0x76767676) | four) & 0x80808080;
      while (ends === 0 && at < lastFour - 4) {
        const pairs = Math.imul(four, 10) + (four >>> 8);
        const digits = (pairs & 0xff) * 100 + ((pairs >>> 16) & 0xff);
        if (mantissa < 1e11) {
          mantissa = mantissa * 10000 + digits;
        } else {
          rest = rest * 10000 + digits;
          restDigits += 4;
          if (restDigits > 8) break;
        }
        at += 4;
        four = view.getInt32(at, true) ^ 0x30303030;
        ends = ((four + 0x76767676) | four) & 0x80808080;
      }
      if (ends === 0) break;
      const digits = (31 - Math.clz32(ends & -ends)) >>> 3;
      four = (four << (24 - 8 * digits)) << 8;
      const pairs = Math.imul(four, 10) + (four >>> 8);
      rest = rest * (tens[digits] as number) + ((pairs & 0xff) * 100 + ((pairs >>> 16) & 0xff));
      restDigits += digits;
      at += digits;
      if (at === from) break;
      power = from - at + restDigits;
      byte = text[at] as number;
    }
    if (byte !== 0x2c && (byte | 0x20) === 0x65) {
      byte = text[++at] as number;
      const isBelow = byte === 0x2d;
      if (isBelow || byte === 0x2b) byte = text[++at] as number;
      const from = at;
      let exponent = 0;
      while ((byte - 0x30) >>> 0 <= 9 && at - from < 3) {
        exponent = exponent * 10 + (byte - 0x30);
        byte = text[++at] as number;
      }
      if (at === from || (byte - 0x30) >>> 0 <= 9) break;
      power += isBelow ? -exponent : exponent;
    }
    if (restDigits > 0) {
      const scale = tens[restDigits] as number;
      const whole = mantissa * scale + rest;
      if (whole < EXACT) {
        mantissa = whole;
        power -= restDigits;
        rest = 0;
      } else {
        // the mantissa is at least 1e11 here: below that every digit but the last three went into it
        rest /= scale;
      }
    }
    let value = mantissa;
    if (rest !== 0 || power < -22 || power > 22) {
      if (power < -MAX_POWER || power > MAX_POWER) break;
      value = timesPower(mantissa, rest, power);
    } else if (power < 0) {
      value = mantissa / (tens[-power] as number);
    } else if (power > 0) {
      value = mantissa * (tens[power] as number);
    }
    // NaN where timesPower cannot tell
    if (!(value < Number.POSITIVE_INFINITY)) break;
    out[index] = isNegative ? -value : value;
    if (byte === 0x2c) {
      index += 1;
      start = at + 1;
      continue;
    }
    s.at = at;
    run.index = index;
    return "no comma";
  }
  s.at = start;
  run.index = index;
  run.place = "comma";
  return start < s.stopAt ? "odd element" : "slice over";
}
