// The canonical form that digests are taken of: every part behind its length, so that no two values have one form.

import type { Parameters } from "../../core/tensor.ts";

/** Writes one form after a prefix (the digest's key). */
export interface Writer {
  /** A whole number of any sign. */
  count(value: number): void;
  text(value: string): void;
  /** Absent is another value than empty. */
  optional(value: string | undefined): void;
  bytes(value: Uint8Array): void;
  /** By name; none is the same as an empty map. */
  parameters(value: Parameters | undefined): void;
  /** All that was written. */
  done(): Uint8Array;
}

const NUMBER_BYTES = 8;

export function openWriter(prefix: Uint8Array): Writer {
  let buffer = Buffer.allocUnsafe(1024);
  let at = 0;
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
  raw(prefix);
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
    done: () => buffer.subarray(0, at),
  };
}
