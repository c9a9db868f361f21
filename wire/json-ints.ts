// Loops that read integers and booleans of a JSON array straight into typed arrays: exact, or refused.

import type { Datatype } from "../core/tensor.ts";
import { goesOn, type Leaf, refuseElement } from "./json-leaf.ts";
import { skipNumber, skipWord } from "./json-number.ts";
import { type Scanner, skipSpace } from "./json-scan.ts";

type SmallInts = Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array;

/** Reads integers of up to 32 bits. A fraction or an exponent is refused, even 1.0, as Triton does. */
export function smallIntLeaf(
  out: SmallInts,
  datatype: Datatype,
  range: { readonly min: number; readonly max: number },
): Leaf {
  const { min, max } = range;
  const expected = `an integer in ${datatype}'s range [${min}, ${max}]`;
  return (s, run) => {
    do {
      skipSpace(s);
      const from = s.at;
      const value = readInt(s);
      if (value === undefined || value < min || value > max) {
        s.at = from;
        throw refuseElement(s, run, expected);
      }
      out[run.index] = value;
    } while (goesOn(s, run));
  };
}

// Up to 15 digits, which doubles hold exactly; undefined, and nothing stepped over, for anything else. A longer one is
// out of range.
function readInt(s: Scanner): number | undefined {
  const { text, end } = s;
  let at = s.at;
  const isNegative = at < end && text[at] === 0x2d;
  if (isNegative) at += 1;
  const from = at;
  let value = 0;
  while (at < end) {
    const digit = (text[at] as number) - 0x30;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
    at += 1;
  }
  const digits = at - from;
  if (digits === 0 || digits > 15 || (digits > 1 && text[from] === 0x30) || isDecimal(s, at)) return undefined;
  s.at = at;
  // not -0, which no integer is
  return isNegative ? 0 - value : value;
}

function isDecimal(s: Scanner, at: number): boolean {
  if (at >= s.end) return false;
  const byte = s.text[at] as number;
  return byte === 0x2e || (byte | 0x20) === 0x65;
}

/** Reads 64-bit integers, each as two halves of 32 bits, low half first; all of them exact. */
export function wideIntLeaf(halves: Uint32Array, datatype: "INT64" | "UINT64"): Leaf {
  const signed = datatype === "INT64";
  const range = signed ? "[-9223372036854775808, 9223372036854775807]" : "[0, 18446744073709551615]";
  const expected = `an integer in ${datatype}'s range ${range}`;
  return (s, run) => {
    do {
      skipSpace(s);
      const from = s.at;
      const value = readInt(s);
      if (value === undefined) {
        if (!readWide(s, halves, { index: run.index, signed })) {
          s.at = from;
          throw refuseElement(s, run, expected);
        }
      } else {
        if (value < 0 && !signed) {
          s.at = from;
          throw refuseElement(s, run, expected);
        }
        const high = Math.floor(value / 4294967296);
        halves[run.index * 2] = value - high * 4294967296;
        halves[run.index * 2 + 1] = high;
      }
    } while (goesOn(s, run));
  };
}

// 16 digits and more: high * 1e9 + low, multiplied in limbs of 16 bits so that every step is exact in a double.
function readWide(s: Scanner, halves: Uint32Array, at: { readonly index: number; readonly signed: boolean }): boolean {
  const from = s.at;
  if (skipNumber(s) !== "integer") return false;
  const isNegative = s.text[from] === 0x2d;
  if (isNegative && !at.signed) return false;
  const start = isNegative ? from + 1 : from;
  if (s.at - start > 20) return false;
  const high = digitsValue(s, start, s.at - 9);
  const low = digitsValue(s, s.at - 9, s.at);
  const highTop = Math.floor(high / 4294967296);
  const highRest = high - highTop * 4294967296;
  const limb0 = (highRest % 65536) * 1e9 + low;
  const limb1 = Math.floor(highRest / 65536) * 1e9 + Math.floor(limb0 / 65536);
  const lowHalf = (limb1 % 65536) * 65536 + (limb0 % 65536);
  const highHalf = highTop * 1e9 + Math.floor(limb1 / 65536);
  const limit = at.signed ? 0x80000000 : 0x100000000;
  if (highHalf >= limit && !(isNegative && highHalf === limit && lowHalf === 0)) return false;
  halves[at.index * 2] = isNegative ? -lowHalf : lowHalf;
  halves[at.index * 2 + 1] = isNegative ? ~highHalf + (lowHalf === 0 ? 1 : 0) : highHalf;
  return true;
}

function digitsValue(s: Scanner, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) value = value * 10 + ((s.text[at] as number) - 0x30);
  return value;
}

/** Reads true and false. */
export function boolLeaf(out: Uint8Array): Leaf {
  return (s, run) => {
    do {
      skipSpace(s);
      if (skipWord(s, "true")) out[run.index] = 1;
      else if (skipWord(s, "false")) out[run.index] = 0;
      else throw refuseElement(s, run, "true or false");
    } while (goesOn(s, run));
  };
}
