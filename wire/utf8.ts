// Checks that bytes are UTF-8, in slices.

import { isUtf8 } from "node:buffer";
import type { Sliced } from "./sliced.ts";

/** The native check does this much in well below a millisecond. */
const CHUNK_BYTES = 1024 * 1024;

/** Where the bytes stop being UTF-8, or -1 when all of them are. */
export function* findInvalidUtf8(bytes: Uint8Array): Sliced<number> {
  let from = 0;
  while (from < bytes.byteLength) {
    if (from > 0) yield;
    const to = characterStart(bytes, Math.min(bytes.byteLength, from + CHUNK_BYTES));
    const chunk = bytes.subarray(from, to);
    if (!isUtf8(chunk)) return from + firstInvalid(chunk);
    from = to;
  }
  return -1;
}

// A chunk must not end inside a character, which has at most three continuation bytes.
function characterStart(bytes: Uint8Array, to: number): number {
  if (to === bytes.byteLength) return to;
  for (let at = to; at > to - 4; at--) {
    if (((bytes[at] as number) & 0xc0) !== 0x80) return at;
  }
  return to;
}

function firstInvalid(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.byteLength) {
    const length = characterLength(bytes, at);
    if (length === 0) return at;
    at += length;
  }
  return at;
}

// Bounds of the second byte. Source: Unicode Standard, table 3-7, well-formed UTF-8 byte sequences.
function characterLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] ?? 0;
  if (second < low || second > high) return 0;
  for (let i = 2; i < length; i++) {
    if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
  }
  return length;
}
