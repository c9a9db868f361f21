// Which of 10,000 buckets a unit is in: the same on every replica, in every process and for every protocol.

import { hash } from "node:crypto";

/** A bucket is a hundredth of a percent. */
export const BUCKETS = 10_000;

/** Hexadecimal digits of the hash that are read: 48 bits, which a double holds and which 10,000 divides evenly enough. */
const DIGITS = 12;

/** A unit's place in an experiment: the bucket, and the number that it came from, which tells units apart. */
export interface Place {
  readonly bucket: number;
  /** 48 bits. */
  readonly hash: number;
}

/**
 * The place of a unit under a salt: the first 48 bits, big-endian, of SHA-256 over the salt, a zero byte and the unit, in
 * UTF-8; the bucket is that number modulo 10,000. Different salts give independent places.
 */
export function placeOf(salt: string, unit: string): Place {
  const number = Number.parseInt(hash("sha256", `${salt}\u0000${unit}`, "hex").slice(0, DIGITS), 16);
  return { bucket: number % BUCKETS, hash: number };
}

/** Whole buckets for a percentage, which has at most two decimals. */
export function bucketsFor(percent: number): number {
  return Math.round(percent * (BUCKETS / 100));
}
