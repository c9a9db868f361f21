// Reads JSON text from its bytes, token by token: white space, names, strings, literals, and where numbers end.

import { invalid } from "../core/error.ts";
import { SLICE_BYTES, type SliceOptions } from "./sliced.ts";

/**
 * A run of white space, a name or a text parameter beyond this is refused: no plain loop runs for over a millisecond.
 */
export const MAX_TEXT_BYTES = 1024 * 1024;
/** The longest exact decimal of a double has fewer than 1,100 characters. */
export const MAX_NUMBER_BYTES = 4096;

/** A place in JSON text, which is UTF-8 already checked, and where the current slice of work ends. */
export interface Scanner {
  readonly text: Buffer;
  readonly view: DataView;
  readonly end: number;
  readonly maxNesting: number;
  readonly sliceBytes: number;
  at: number;
  stopAt: number;
}

export function openScanner(text: Uint8Array, options: SliceOptions & { readonly maxNesting: number }): Scanner {
  const sliceBytes = Math.max(1, options.sliceBytes ?? SLICE_BYTES);
  return {
    text: Buffer.from(text.buffer, text.byteOffset, text.byteLength),
    view: new DataView(text.buffer, text.byteOffset, text.byteLength),
    end: text.byteLength,
    maxNesting: options.maxNesting,
    sliceBytes,
    at: 0,
    stopAt: sliceBytes,
  };
}

/** True when the slice is used up, and begins the next one: the caller yields. */
export function isSliceOver(s: Scanner): boolean {
  if (s.at < s.stopAt) return false;
  s.stopAt = s.at + s.sliceBytes;
  return true;
}

/** Counts work that costs more than its bytes say, as if it were so many bytes more. */
export function spend(s: Scanner, bytes: number): void {
  s.stopAt -= bytes;
}

/** What a member, or an element read with care, costs beside its bytes. */
export const STEP_BYTES = 64;

/** Goes on reading somewhere else. */
export function jump(s: Scanner, at: number): void {
  s.stopAt = at + Math.max(1, s.stopAt - s.at);
  s.at = at;
}

/** Does work as if the slice ended after so many bytes at the latest; it goes on as before then. */
export function readAtMost(s: Scanner, bytes: number, read: () => void): void {
  const slice = s.stopAt;
  const stop = Math.min(slice, s.at + bytes);
  s.stopAt = stop;
  try {
    read();
  } finally {
    s.stopAt += slice - stop;
  }
}

/** The byte at the scanner's place; 0, which JSON has nowhere, at the end. */
export function peek(s: Scanner): number {
  return s.at < s.end ? (s.text[s.at] as number) : 0;
}

/** Skips white space and gives the byte after it; 0 at the end. */
export function skipSpace(s: Scanner): number {
  const from = s.at;
  let at = from;
  while (at < s.end) {
    const byte = s.text[at] as number;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
      s.at = at;
      return byte;
    }
    at += 1;
    if (at - from > MAX_TEXT_BYTES) throw invalid(`over ${MAX_TEXT_BYTES} bytes of white space at byte ${from}`);
  }
  s.at = at;
  return 0;
}

/** Steps over one byte, white space before it. @throws InferError invalid-argument when another one stands there */
export function expectByte(s: Scanner, byte: number, what: string): void {
  if (skipSpace(s) !== byte) throw syntaxError(s, what);
  s.at += 1;
}

/** The error for text that is not JSON here: what was expected, what stands there, and where. */
export function syntaxError(s: Scanner, expected: string): Error {
  return invalid(`malformed JSON at byte ${s.at}: expected ${expected}, got ${excerpt(s, s.at)}`);
}

/** The token at a place, cut short, for an error message. */
export function excerpt(s: Scanner, at: number): string {
  if (at >= s.end) return "the end of the text";
  const first = s.text[at] as number;
  const isText = first === 0x22;
  const longest = isStructure(first) ? at + 1 : Math.min(s.end, at + 24);
  let to = at + 1;
  while (to < longest && !endsToken(s.text[to] as number, isText)) to += 1;
  if (isText && to < longest && s.text[to] === 0x22) to += 1;
  const shown = s.text
    .toString("utf8", at, to)
    .replace(/\ufffd+$/, "")
    .replace(/[\0-\x1f]/g, escaped);
  return to === at + 24 && to < s.end ? `${shown}...` : shown;
}

const escaped = (control: string): string => JSON.stringify(control).slice(1, -1);

function isStructure(byte: number): boolean {
  return byte === 0x2c || byte === 0x3a || byte === 0x5b || byte === 0x5d || byte === 0x7b || byte === 0x7d;
}

function endsToken(byte: number, isText: boolean): boolean {
  return byte === 0x22 || (isText ? byte < 0x20 : byte <= 0x20 || isStructure(byte));
}

/** Opens an object and gives its first name, or undefined when it is empty. */
export function firstKey(s: Scanner, what: string): string | undefined {
  expectByte(s, 0x7b, what);
  if (skipSpace(s) !== 0x7d) return readKey(s, "a name or }");
  s.at += 1;
  return undefined;
}

/** The next name of an object after a value, or undefined at its end. */
export function nextKey(s: Scanner): string | undefined {
  const byte = skipSpace(s);
  if (byte === 0x7d) {
    s.at += 1;
    return undefined;
  }
  if (byte !== 0x2c) throw syntaxError(s, ", or }");
  s.at += 1;
  return readKey(s, "a name");
}

function readKey(s: Scanner, expected: string): string {
  if (skipSpace(s) !== 0x22) throw syntaxError(s, expected);
  const key = readText(s);
  expectByte(s, 0x3a, ":");
  return key;
}

/** Opens an array; false when it is empty. */
export function firstItem(s: Scanner, what: string): boolean {
  expectByte(s, 0x5b, what);
  if (skipSpace(s) !== 0x5d) return true;
  s.at += 1;
  return false;
}

/** Whether another item follows in the array. */
export function nextItem(s: Scanner): boolean {
  const byte = skipSpace(s);
  if (byte !== 0x2c && byte !== 0x5d) throw syntaxError(s, ", or ]");
  s.at += 1;
  return byte === 0x2c;
}

/**
 * Reads the string at the scanner's place.
 *
 * @throws InferError invalid-argument for a bad escape, a control character, a lone surrogate or over 1 MiB
 */
export function readText(s: Scanner): string {
  const from = s.at;
  s.at += 1;
  let plain = true;
  for (;;) {
    const end = skipPlain(s, Math.min(s.end, from + MAX_TEXT_BYTES + 1));
    if (end === 0x22) break;
    if (end === 0x5c) {
      plain = false;
      skipEscape(s);
    } else if (s.at - from > MAX_TEXT_BYTES) {
      throw invalid(`the string at byte ${from} is longer than ${MAX_TEXT_BYTES} bytes, which only data may be`);
    } else {
      throw syntaxError(s, s.at >= s.end ? 'a closing "' : "an escape instead of a control character");
    }
  }
  s.at += 1;
  if (plain) return s.text.toString("utf8", from + 1, s.at - 1);
  const text = JSON.parse(s.text.toString("utf8", from, s.at)) as string;
  if (!text.isWellFormed()) throw invalid(`the string at byte ${from} holds a lone surrogate, which has no UTF-8`);
  return text;
}

/**
 * Steps over ordinary characters of a string up to `to`; gives the byte that stopped it: a quote, a backslash, a
 * control character, or 0 at `to` (and for NUL, which is one too).
 */
export function skipPlain(s: Scanner, to: number): number {
  const { text } = s;
  let at = s.at;
  while (at < to) {
    const byte = text[at] as number;
    if (byte === 0x22 || byte === 0x5c || byte < 0x20) {
      s.at = at;
      return byte;
    }
    at += 1;
  }
  s.at = at;
  return 0;
}

/** Steps over the escape at the scanner's place. */
export function skipEscape(s: Scanner): void {
  const kind = s.at + 1 < s.end ? (s.text[s.at + 1] as number) : 0;
  if (kind === 0x75) {
    readHex4(s, s.at + 2);
    s.at += 6;
    return;
  }
  if (simpleEscape(kind) < 0) throw syntaxError(s, "an escape that JSON has");
  s.at += 2;
}

/** The character behind a backslash and this byte, or -1 when JSON has no such escape. */
export function simpleEscape(kind: number): number {
  switch (kind) {
    case 0x22:
    case 0x5c:
    case 0x2f:
      return kind;
    case 0x62:
      return 0x08;
    case 0x66:
      return 0x0c;
    case 0x6e:
      return 0x0a;
    case 0x72:
      return 0x0d;
    case 0x74:
      return 0x09;
    default:
      return -1;
  }
}

/** The code unit that four hexadecimal digits at a place name. */
export function readHex4(s: Scanner, at: number): number {
  let unit = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = i < s.end ? (s.text[i] as number) : 0;
    const low = byte | 0x20;
    const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : low >= 0x61 && low <= 0x66 ? low - 0x57 : -1;
    if (digit < 0) throw syntaxError(s, "\\u and four hexadecimal digits");
    unit = unit * 16 + digit;
  }
  return unit;
}
