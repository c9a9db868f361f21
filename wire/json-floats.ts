// Reads FP32 and FP64 elements of a JSON array straight into typed arrays: fast loops, and the careful way for what
// they leave.

import { readDoubles } from "./json-doubles.ts";
import { goesOn, type Leaf, type Run, refuseElement, type Stop } from "./json-leaf.ts";
import { readDouble } from "./json-number.ts";
import { type Scanner, STEP_BYTES, skipSpace, spend } from "./json-scan.ts";
import { MAX_POWER, POWERS, TEN } from "./powers.ts";

/**
 * Reads FP32: each element is Math.fround of the double that JSON.parse gives for its text, bit for bit, or it is
 * refused because a finite number is beyond every float. Bare NaN, Infinity and -Infinity pass.
 */
export function floatLeaf(out: Float32Array): Leaf {
  return (s, run) => {
    do {
      const stop = isOne(run) ? "odd element" : readFloats(s, run, out);
      if (stop === "slice over") return;
      if (stop === "odd element") out[run.index] = readWithCare(s, run, "FP32");
    } while (goesOn(s, run));
  };
}

/**
 * Reads FP64: each element is the double that JSON.parse gives for its text, bit for bit, or it is refused as for FP32.
 */
export function doubleLeaf(out: Float64Array): Leaf {
  return (s, run) => {
    do {
      const stop = isOne(run) ? "odd element" : readDoubles(s, run, out);
      if (stop === "slice over") return;
      if (stop === "odd element") out[run.index] = readWithCare(s, run, "FP64");
    } while (goesOn(s, run));
  };
}

// A bare scalar: the comma behind it is not an array's.
const isOne = (run: Run): boolean => run.limit === run.index + 1;

function readWithCare(s: Scanner, run: Run, datatype: "FP32" | "FP64"): number {
  skipSpace(s);
  spend(s, STEP_BYTES);
  const from = s.at;
  const value = readDouble(s);
  // an infinite float is right only where the text says so, and then the double is infinite too
  if (value !== undefined && (datatype === "FP64" || Number.isFinite(Math.fround(value)) || !Number.isFinite(value)))
    return value;
  s.at = from;
  throw refuseElement(s, run, `a number in ${datatype}'s range`);
}

/** The loop reads this far ahead without asking whether the text ends. */
const MARGIN = 48;
/** Digits of a fraction that are looked at when it has more. */
const FRACTION_DIGITS = 16;
/** Twelve roundings of 2^-53 at most lie between a number and its product. */
const LOWER = 1 - 2 ** -48;
const UPPER = 1 + 2 ** -48;

/**
 * Reads elements while they look as numbers usually do.
 *
 * One function, unrolled, since calls, boxed doubles and a loop over the digits would cost more than the digits. Each
 * number is bounded from below and above by two doubles; when both round to the same float, so does the true value, and
 * so does its nearest double, which lies between them. Otherwise (about once in a million) the element is left to the
 * careful way.
 */
function readFloats(s: Scanner, run: Run, out: Float32Array): Stop {
  const { text, view } = s;
  // locals, since an imported binding is looked up again at each use
  const tens = TEN;
  const powers = POWERS;
  const lastFour = s.end - 8;
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
      while ((byte - 0x30) >>> 0 <= 9 && at - from < 7) {
        mantissa = (mantissa * 10 + (byte - 0x30)) | 0;
        byte = text[++at] as number;
      }
      if ((byte - 0x30) >>> 0 <= 9 || (first === 0 && at > from)) break;
    }
    let power = MAX_POWER;
    let dropped = 0;
    if (byte === 0x2e) {
      const from = ++at;
      // four digits at a time: less its 0x30 each byte is at most 9, or the high bit of its lane shows in `ends`
      let four = view.getInt32(at, true) ^ 0x30303030;
      let ends = ((four + 0x76767676) | four) & 0x80808080;
      if (ends === 0) {
        let pairs = Math.imul(four, 10) + (four >>> 8);
        let digits = Math.imul(pairs & 0xff, 100) + ((pairs >>> 16) & 0xff);
        at += 4;
        four = view.getInt32(at, true) ^ 0x30303030;
        ends = ((four + 0x76767676) | four) & 0x80808080;
        if (ends !== 0) {
          mantissa = mantissa * 1e4 + digits;
        } else {
          pairs = Math.imul(four, 10) + (four >>> 8);
          digits = Math.imul(digits, 10000) + Math.imul(pairs & 0xff, 100) + ((pairs >>> 16) & 0xff);
          mantissa = mantissa * 1e8 + digits;
          at += 4;
          four = view.getInt32(at, true) ^ 0x30303030;
          ends = ((four + 0x76767676) | four) & 0x80808080;
          if (ends === 0) {
            pairs = Math.imul(four, 10) + (four >>> 8);
            digits = Math.imul(pairs & 0xff, 100) + ((pairs >>> 16) & 0xff);
            at += 4;
            four = view.getInt32(at, true) ^ 0x30303030;
            ends = ((four + 0x76767676) | four) & 0x80808080;
            if (ends !== 0) {
              mantissa = mantissa * 1e4 + digits;
            } else {
              // sixteen digits are more than a float needs: what follows is stepped over
              pairs = Math.imul(four, 10) + (four >>> 8);
              digits = Math.imul(digits, 10000) + Math.imul(pairs & 0xff, 100) + ((pairs >>> 16) & 0xff);
              mantissa = mantissa * 1e8 + digits;
              dropped = 1;
              do {
                at += 4;
                four = view.getInt32(at, true) ^ 0x30303030;
                ends = ((four + 0x76767676) | four) & 0x80808080;
              } while (ends === 0 && at < lastFour);
              if (ends === 0) break;
            }
          }
        }
      } else if ((ends & 0x80) !== 0) {
        // no digit behind the point
        break;
      }
      const more = (31 - Math.clz32(ends & -ends)) >>> 3;
      at += more;
      if (dropped === 0) {
        // up to three digits more, moved to the end of the lanes, zeros before them
        four = (four << (24 - 8 * more)) << 8;
        const pairs = Math.imul(four, 10) + (four >>> 8);
        mantissa = mantissa * (tens[more] as number) + (Math.imul(pairs & 0xff, 100) + ((pairs >>> 16) & 0xff));
        power -= at - from;
      } else {
        power -= FRACTION_DIGITS;
      }
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
      if (power < 0 || power > 2 * MAX_POWER) break;
    }
    const scale = powers[power] as number;
    const low = Math.fround(mantissa * scale * LOWER);
    const high = Math.fround((mantissa + dropped) * scale * UPPER);
    // not 0 when they differ, and NaN when both are infinite
    if (high - low !== 0) break;
    out[index] = isNegative ? -low : low;
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
