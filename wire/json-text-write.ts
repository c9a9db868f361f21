// Writes one element of texts as JSON, in slices.

import { putAscii } from "./json-decimals.ts";
import { type JsonWriter, put, room } from "./json-write.ts";
import { isDue, type Pace, type Sliced } from "./sliced.ts";

/** The longest piece of a string that is looked at in one go; of base64, which takes three bytes at a time. */
const PIECE_BYTES = 16 * 1024;
const BASE64_PIECE_BYTES = 15 * 1024;

/** Writes one element as a string of JSON, or as `{"b64": "..."}`. */
export function* writeText(
  w: JsonWriter,
  element: Uint8Array,
  how: { readonly isText: boolean; readonly pace: Pace },
): Sliced<void> {
  put(w, how.isText ? '"' : '{"b64":"');
  const step = how.isText ? PIECE_BYTES : BASE64_PIECE_BYTES;
  for (let from = 0; from < element.byteLength; from += step) {
    const piece = element.subarray(from, from + step);
    room(w, piece.byteLength * 6 + 8);
    if (how.isText) w.at = putEscaped(w.chunk, w.at, piece);
    else w.at += w.chunk.write(base64Of(piece), w.at, "latin1");
    if (isDue(how.pace, piece.byteLength)) yield;
  }
  put(w, how.isText ? '"' : '"}');
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function putEscaped(chunk: Uint8Array, at: number, bytes: Uint8Array): number {
  let next = at;
  for (let i = 0; i < bytes.byteLength; i++) {
    const byte = bytes[i] as number;
    if (byte >= 0x20 && byte !== 0x22 && byte !== 0x5c) chunk[next++] = byte;
    else if (byte >= 0x20) {
      chunk[next++] = 0x5c;
      chunk[next++] = byte;
    } else {
      next = putAscii(chunk, next, JSON.stringify(String.fromCharCode(byte)).slice(1, -1));
    }
  }
  return next;
}
