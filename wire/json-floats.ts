// The loop that reads decimals of a JSON array straight into typed arrays: the fast half of the work on large bodies.

import { goesOn, type Leaf, type Run, refuseElement } from "./json-leaf.ts";
import { readDouble } from "./json-number.ts";
import { type Scanner, skipSpace } from "./json-scan.ts";
import { MAX_POWER, TEN, timesPower } from "./powers.ts";

/**
 * Reads FP32 or FP64: each element is the double that JSON.parse gives for its text (for FP32 rounded to a float, as
 * Math.fround does), bit for bit, or it is refused because the datatype cannot hold it. Bare NaN, Infinity and -Infinity pass.
 */
export function floatLeaf(out: Float32Array | Float64Array): Leaf {
  const word = out instanceof Float32Array ? "FP32" : "FP64";
  return (s, run) => {
    while (readFast(s, run, out)) {
      skipSpace(s);
      const from = s.at;
      const value = readDouble(s);
      if (value === undefined || overflows(s, from, out instanceof Float32Array ? Math.fround(value) : value)) {
        s.at = from;
        throw refuseElement(s, run, `a number in ${word}'s range`);
      }
      out[run.index] = value;
      if (!goesOn(s, run)) return;
    }
  };
}

// An infinite value is right only where the text says so.
function overflows(s: Scanner, from: number, value: number): boolean {
  if (Number.isFinite(value) || Number.isNaN(value)) return false;
  const first = s.text[from] === 0x2d ? s.text[from + 1] : s.text[from];
  return first !== 0x49;
}

/** Every double from here on rounds to an infinite float. */
const FLOAT_LIMIT = 3.4028235677973366e38;
/** Mantissas below this are held exactly. */
const EXACT = 2 ** 53;
/** The fast loop reads ahead this far without asking whether the text ends. */
const MARGIN = 32;

/**
 * Reads elements while they look as numbers usually do. True when the scanner stands at an element to be read with care, false
 * when the run is over. One function, since calls and boxed doubles would cost more than the digits: per element the sign, the
 * digits (four at a time where a fraction has them) as mantissa and rest, the exponent, then one exact operation (Clinger) or a
 * product with a known error.
 */
function readFast(s: Scanner, run: Run, out: Float32Array | Float64Array): boolean {
  const { text, view } = s;
  const { stopAt } = s;
  const lastFour = s.end - 4;
  const fastEnd = s.end - MARGIN;
  const limit = run.limit - 1;
  const largest = out instanceof Float32Array ? FLOAT_LIMIT : Number.POSITIVE_INFINITY;
  let at = s.at;
  let index = run.index;
  let start = at;
  while (at < fastEnd) {
    start = at;
    let byte = text[at] as number;
    if (byte === 0x20) byte = text[++at] as number;
    const isNegative = byte === 0x2d;
    if (isNegative) byte = text[++at] as number;
    let digit = byte - 0x30;
    if (digit >>> 0 > 9) break;
    let mantissa = digit;
    const leading = at;
    digit = (text[++at] as number) - 0x30;
    while (digit >>> 0 <= 9 && mantissa < 1e14) {
      mantissa = mantissa * 10 + digit;
      digit = (text[++at] as number) - 0x30;
    }
    if (digit >>> 0 <= 9 || (text[leading] === 0x30 && at > leading + 1)) break;
    let power = 0;
    let rest = 0;
    let restDigits = 0;
    if (digit === -2) {
      const fraction = ++at;
      // four digits at a time: each byte less 0x30 is at most 9 or the high bit of its lane shows
      while (mantissa < 1e11 && at <= lastFour) {
        const four = view.getInt32(at, true) ^ 0x30303030;
        if ((((four + 0x76767676) | four) & 0x80808080) !== 0) break;
        const pairs = Math.imul(four, 10) + (four >>> 8);
        mantissa = mantissa * 10000 + (pairs & 0xff) * 100 + ((pairs >>> 16) & 0xff);
        at += 4;
      }
      digit = (text[at] as number) - 0x30;
      while (digit >>> 0 <= 9 && mantissa < 1e11) {
        mantissa = mantissa * 10 + digit;
        digit = (text[++at] as number) - 0x30;
      }
      power = fraction - at;
      while (digit >>> 0 <= 9 && restDigits < 9) {
        rest = rest * 10 + digit;
        restDigits += 1;
        digit = (text[++at] as number) - 0x30;
      }
      if (digit >>> 0 <= 9 || at === fraction) break;
    }
    if (digit === 0x35 || digit === 0x15) {
      byte = text[++at] as number;
      const isBelow = byte === 0x2d;
      if (isBelow || byte === 0x2b) byte = text[++at] as number;
      let exponent = 0;
      let digits = 0;
      digit = byte - 0x30;
      while (digit >>> 0 <= 9 && digits < 4) {
        exponent = exponent * 10 + digit;
        digits += 1;
        digit = (text[++at] as number) - 0x30;
      }
      if (digits === 0 || digits === 4) break;
      power += isBelow ? -exponent : exponent;
    }
    if (restDigits > 0) {
      const scale = TEN[restDigits] as number;
      const whole = mantissa * scale + rest;
      if (whole < EXACT) {
        mantissa = whole;
        power -= restDigits;
        rest = 0;
      } else {
        rest /= scale;
      }
    }
    let value = mantissa;
    if (rest !== 0 || power < -22 || power > 22) {
      if (power < -MAX_POWER || power > MAX_POWER) break;
      value = timesPower(mantissa, rest, power);
    } else if (power < 0) {
      value = mantissa / (TEN[-power] as number);
    } else if (power > 0) {
      value = mantissa * (TEN[power] as number);
    }
    if (!(value < largest)) break;
    out[index] = isNegative ? -value : value;
    if (text[at] === 0x2c && index < limit) {
      index += 1;
      at += 1;
      start = at;
      if (at < stopAt) continue;
      run.place = "comma";
    } else {
      s.at = at;
      run.index = index;
      if (goesOn(s, run)) {
        at = s.at;
        index = run.index;
        start = at;
        continue;
      }
      return false;
    }
    s.at = at;
    run.index = index;
    return false;
  }
  s.at = start;
  run.index = index;
  return true;
}
