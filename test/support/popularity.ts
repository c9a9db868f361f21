// Questions as many callers ask them, some far more often than others, and how many of them a store has kept.

import { openStore } from "../../policies/cache/store.ts";
import { seededRandom } from "./fake-env.ts";

/** A key as a digest is: its signs spread evenly. */
export function keyOf(n: number): string {
  const random = seededRandom(n + 1);
  return Array.from({ length: 16 }, () => String.fromCharCode(Math.floor(random() * 256))).join("");
}

/** So many questions by Zipf's law with exponent 0.9 over so many different ones; the same on every run. */
export function* zipf(count: number, different: number): Generator<number> {
  const sums: number[] = [];
  let sum = 0;
  for (let i = 1; i <= different; i += 1) {
    sum += i ** -0.9;
    sums.push(sum);
  }
  const random = seededRandom(11);
  for (let n = 0; n < count; n += 1) {
    const at = random() * sum;
    let [low, high] = [0, different - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) < at) low = middle + 1;
      else high = middle;
    }
    yield low;
  }
}

/** The same, each followed by two that nobody asks for again. */
export function* scanned(count: number, different: number): Generator<number> {
  let n = different;
  for (const one of zipf(count, different)) {
    yield one;
    yield n++;
    yield n++;
  }
}

/** Percent of `asked` that were there, to one decimal, where each that was not is put there; room for `entries` of one size. */
export function hitPercent(asked: Iterable<number>, room: { readonly entries: number; readonly admission: boolean }) {
  const { entries, admission } = room;
  const shelf = openStore<object>({ maxBytes: entries, dead: () => false, admission }).shelf("a", entries);
  const keys = new Map<number, string>();
  let [hits, all] = [0, 0];
  for (const n of asked) {
    const key = keys.get(n) ?? keyOf(n);
    keys.set(n, key);
    all += 1;
    if (shelf.get(key) !== undefined) hits += 1;
    else shelf.set(key, {}, 1);
  }
  return Math.round((hits / all) * 1_000) / 10;
}
