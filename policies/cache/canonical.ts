// The canonical form that digests are taken of: every part behind its length, so that no two values have one form.

import type { Parameters } from "../../core/tensor.ts";

/** Writes one form, with room before it for the key of whoever digests it. */
export interface Writer {
  /** A whole number of any sign. */
  count(value: number): void;
  text(value: string): void;
  /** Absent is another value than empty. */
  optional(value: string | undefined): void;
  bytes(value: Uint8Array): void;
  /** By name; none is the same as an empty map. */
  parameters(value: Parameters | undefined): void;
  /** In bytes, without the key. */
  written(): number;
  /** All that was written behind this key, of `KEY_BYTES`; lent until the next call. */
  behind(key: Uint8Array): Uint8Array;
}

/** Bytes of a key. */
export const KEY_BYTES = 32;
/** Of a number, such as the length before a part. */
export const NUMBER_BYTES = 8;
/** Of most questions more than enough. */
const FIRST_BYTES = 1024;

export function openWriter(): Writer {
  let buffer = Buffer.allocUnsafe(FIRST_BYTES);
  let at = KEY_BYTES;
  const room = (bytes: number) => {
    if (at + bytes <= buffer.byteLength) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * buffer.byteLength, at + bytes));
    buffer.copy(larger, 0, 0, at);
    buffer = larger;
  };
  const raw = (value: Uint8Array) => {
    room(value.byteLength);
    buffer.set(value, at);
    at += value.byteLength;
  };
  const number = (value: number) => {
    room(NUMBER_BYTES);
    at = buffer.writeDoubleLE(value, at);
  };
  // UTF-16 and not UTF-8, in which all halves of a pair on their own are one sign
  const text = (value: string) => {
    number(value.length);
    room(2 * value.length);
    at += buffer.write(value, at, "utf16le");
  };
  const optional = (value: string | undefined) => {
    number(value === undefined ? 0 : 1);
    if (value !== undefined) text(value);
  };
  return {
    count: number,
    text,
    optional,
    bytes(value) {
      number(value.byteLength);
      raw(value);
    },
    parameters(value) {
      number(value?.size ?? 0);
      if (value === undefined || value.size === 0) return;
      for (const [name, one] of [...value].sort(([a], [b]) => (a < b ? -1 : 1))) {
        text(name);
        text(typeof one);
        if (typeof one === "number") number(one);
        else text(String(one));
      }
    },
    written: () => at - KEY_BYTES,
    behind(key) {
      if (key.byteLength !== KEY_BYTES) throw new Error(`expected a key of ${KEY_BYTES} bytes, got ${key.byteLength}`);
      buffer.set(key);
      return buffer.subarray(0, at);
    },
  };
}
