// Writes numbers as decimal digits straight into a buffer, each with the fewest digits that read back to the same bits.

import { doubleText } from "./json-write.ts";
import { TEN } from "./powers.ts";

/** The longest text that any function here writes. */
export const MAX_DECIMAL_BYTES = 26;

/** Writes a whole number in [0, 2^53) and gives the place behind it. There must be room. */
export function putWhole(chunk: Uint8Array, at: number, value: number): number {
  if (value >= 1e9) {
    const high = Math.floor(value / 1e9);
    const next = putWhole(chunk, at, high);
    putPadded(chunk, next + 9, { value: value - high * 1e9, digits: 9 });
    return next + 9;
  }
  let left = value | 0;
  let digits = 1;
  for (let bound = 10; left >= bound && digits < 9; bound *= 10) digits += 1;
  const end = at + digits;
  for (let place = end - 1; place >= at; place--) {
    const tenth = (left / 10) | 0;
    chunk[place] = 0x30 + left - tenth * 10;
    left = tenth;
  }
  return end;
}

/** Writes a whole number below 1e9 with leading zeros so that it ends at a place. */
export function putPadded(
  chunk: Uint8Array,
  end: number,
  what: { readonly value: number; readonly digits: number },
): void {
  let left = what.value | 0;
  for (let place = end - 1; place >= end - what.digits; place--) {
    const tenth = (left / 10) | 0;
    chunk[place] = 0x30 + left - tenth * 10;
    left = tenth;
  }
}

/** Writes a 64-bit number given as two unsigned halves. */
export function putWide(
  chunk: Uint8Array,
  at: number,
  halves: { readonly high: number; readonly low: number },
): number {
  const { high, low } = halves;
  if (high < 0x200000) return putWhole(chunk, at, high * 4294967296 + low);
  // long division by 1e9 in limbs of 16 bits, each step exact in a double
  const top = Math.floor(high / 1e9);
  const first = (high - top * 1e9) * 65536 + (low >>> 16);
  const middle = Math.floor(first / 1e9);
  const second = (first - middle * 1e9) * 65536 + (low & 0xffff);
  const bottom = Math.floor(second / 1e9);
  const next = putWhole(chunk, at, top * 4294967296 + middle * 65536 + bottom);
  putPadded(chunk, next + 9, { value: second - bottom * 1e9, digits: 9 });
  return next + 9;
}

/**
 * Writes a float's shortest text among 7 to 9 digits that Math.fround of the parsed double takes back to the same
 * float.
 */
export function putFloat32(chunk: Uint8Array, at: number, value: number): number {
  const size = Math.abs(value);
  if (!(size >= 1e-14 && size < 1e9))
    return putAscii(chunk, at, value === 0 && !Object.is(value, -0) ? "0" : doubleText(value));
  let next = at;
  if (value < 0) chunk[next++] = 0x2d;
  if (size === Math.trunc(size)) return putWhole(chunk, next, size);
  const lead = leadingPlace(size);
  for (let digits = 7; digits <= 9; digits++) {
    const places = digits - 1 - lead;
    const scale = TEN[places] as number;
    const whole = Math.round(size * scale);
    // whole and scale are exact, so the quotient is the very double that the text stands for
    if (Math.fround(whole / scale) === size) return putScaled(chunk, next, { whole, places });
  }
  return putAscii(chunk, at, String(value));
}

// The decimal place of the first digit: 0 for 1 to 9, -1 for 0.1 to 0.9 ...
function leadingPlace(size: number): number {
  let lead = 0;
  if (size >= 1) {
    while (size >= (TEN[lead + 1] as number)) lead += 1;
    return lead;
  }
  while (size * (TEN[-lead] as number) < 1) lead -= 1;
  return lead;
}

// whole / 10^places, without its trailing zeros.
function putScaled(chunk: Uint8Array, at: number, what: { readonly whole: number; readonly places: number }): number {
  let { whole, places } = what;
  for (let tenth = whole / 10; places > 0 && tenth === Math.trunc(tenth); tenth = whole / 10) {
    whole = tenth;
    places -= 1;
  }
  if (places > 14) return putExponent(chunk, at, { whole, places });
  const scale = TEN[places] as number;
  const above = Math.floor(whole / scale);
  const next = putWhole(chunk, at, above);
  if (places === 0) return next;
  chunk[next] = 0x2e;
  let left = (whole - above * scale) | 0;
  for (let place = next + places; place > next; place--) {
    const tenth = (left / 10) | 0;
    chunk[place] = 0x30 + left - tenth * 10;
    left = tenth;
  }
  return next + 1 + places;
}

// whole / 10^places in scientific form: one digit, the others behind the point, the exponent.
function putExponent(chunk: Uint8Array, at: number, what: { readonly whole: number; readonly places: number }): number {
  let next = putWhole(chunk, at + 1, what.whole);
  const digits = next - at - 1;
  chunk[at] = chunk[at + 1] as number;
  if (digits === 1) next = at + 1;
  else chunk[at + 1] = 0x2e;
  chunk[next] = 0x65;
  chunk[next + 1] = 0x2d;
  return putWhole(chunk, next + 2, what.places - (digits - 1));
}

/** Writes characters below 128. */
export function putAscii(chunk: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) chunk[at + i] = text.charCodeAt(i);
  return at + text.length;
}
