// Reads the bytes of `{"b64": "..."}`, as row protocols write what is no text, in slices.

import { invalid } from "../core/error.ts";
import { type Run, refuseElement } from "./json-leaf.ts";
import { expectByte, readText, type Scanner, skipSpace, syntaxError } from "./json-scan.ts";

/** What is kept of base64 text between two slices. */
export interface Base64 {
  bits: number;
  /** Characters read, and equals signs behind them. */
  characters: number;
  padding: number;
}

export function startBase64(): Base64 {
  return { bits: 0, characters: 0, padding: 0 };
}

/** Steps from `{` to the quote before the text. @throws InferError invalid-argument for any other object */
export function openBase64(s: Scanner, run: Run): void {
  const from = s.at;
  s.at += 1;
  const isOurs = skipSpace(s) === 0x22 && readText(s) === "b64";
  if (isOurs) expectByte(s, 0x3a, ":");
  if (isOurs && skipSpace(s) === 0x22) return;
  s.at = from;
  throw refuseElement(s, run, 'a string or {"b64": "..."}');
}

/** By character code: its six bits, or -1. Both alphabets. Source: RFC 4648, sections 4 and 5. */
const VALUES = new Int8Array(128).fill(-1);
const PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const OF_URLS = `${PLAIN.slice(0, 62)}-_`;
for (const alphabet of [PLAIN, OF_URLS]) {
  for (let value = 0; value < 64; value++) VALUES[alphabet.charCodeAt(value)] = value;
}

/** Reads to the end of the slice, or over the closing quote: true. */
export function copyBase64(s: Scanner, sink: { readonly out: Uint8Array; at: number }, base64: Base64): boolean {
  const { text } = s;
  const to = Math.min(s.end, s.stopAt);
  while (s.at < to) {
    let byte = text[s.at] as number;
    if (byte === 0x22) {
      s.at += 1;
      return true;
    }
    // PHP writes a slash as \/
    if (byte === 0x5c && text[s.at + 1] === 0x2f) {
      s.at += 1;
      byte = 0x2f;
    }
    if (byte === 0x3d && base64.padding < 2) {
      base64.padding += 1;
      s.at += 1;
      continue;
    }
    const value = byte < 128 && base64.padding === 0 ? (VALUES[byte] as number) : -1;
    if (value < 0) throw syntaxError(s, "base64");
    base64.bits = ((base64.bits << 6) | value) & 0xffffff;
    base64.characters += 1;
    const place = base64.characters & 3;
    if (place !== 1) {
      sink.out[sink.at] = (base64.bits >> (place === 0 ? 0 : 8 - place * 2)) & 0xff;
      sink.at += 1;
    }
    s.at += 1;
  }
  if (s.at >= s.end) throw syntaxError(s, 'a closing "');
  return false;
}

/** Steps over `}` and makes ready for the next text. @throws InferError invalid-argument for a text of the wrong length */
export function endBase64(s: Scanner, run: Run, base64: Base64): void {
  const { characters, padding } = base64;
  expectByte(s, 0x7d, "}");
  const isWhole = characters % 4 !== 1 && (padding === 0 || (characters + padding) % 4 === 0);
  if (!isWhole) throw invalid(`${run.label}: element ${run.index} is not base64: ${characters + padding} characters`);
  base64.bits = 0;
  base64.characters = 0;
  base64.padding = 0;
}
