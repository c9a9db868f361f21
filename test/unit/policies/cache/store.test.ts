// The store of answers: its budget, whose answers go, and what admission earns.

import { describe, expect, it } from "vitest";
import { openStore, type StoreOptions } from "../../../../policies/cache/store.ts";
import { seededRandom } from "../../../support/fake-env.ts";

interface Value {
  readonly dead?: boolean;
}

const open = (init: Partial<StoreOptions<Value>> = {}) =>
  openStore<Value>({ maxBytes: 1_000, dead: ({ dead }) => dead === true, ...init });
/** A key as a digest is: its signs spread evenly. */
const keyOf = (n: number) => {
  const random = seededRandom(n + 1);
  return Array.from({ length: 16 }, () => String.fromCharCode(Math.floor(random() * 256))).join("");
};

describe("a shelf", () => {
  it("holds no more than its own budget, nor all together more than the whole", () => {
    const store = open();
    const [a, b] = [store.shelf("a", 300), store.shelf("b", 5_000)];
    for (let i = 0; i < 50; i += 1) a.set(keyOf(i), {}, 100);
    for (let i = 50; i < 100; i += 1) b.set(keyOf(i), {}, 100);
    expect([a.bytes, a.entries]).toEqual([300, 3]);
    expect([b.bytes, store.bytes]).toEqual([700, 1_000]);
  });

  it("that has more than its share gives way to one that has less, until both have as much", () => {
    const store = open();
    const [greedy, modest] = [store.shelf("greedy", 1_000), store.shelf("modest", 1_000)];
    for (let i = 0; i < 10; i += 1) greedy.set(keyOf(i), {}, 100);
    for (let i = 10; i < 30; i += 1) modest.set(keyOf(i), {}, 100);
    expect([greedy.bytes, modest.bytes]).toEqual([500, 500]);
  });

  it("takes nothing that is larger than the budget, and loses nothing for it", () => {
    const store = open();
    const shelf = store.shelf("a", 500);
    shelf.set(keyOf(1), {}, 100);
    expect(shelf.set(keyOf(2), {}, 501)).toBe(false);
    expect(shelf.entries).toBe(1);
  });

  it("lets go of what is of no use before anything else", () => {
    const store = open({ maxBytes: 200 });
    const shelf = store.shelf("a", 200);
    shelf.set(keyOf(1), { dead: true }, 100);
    for (let i = 0; i < 9; i += 1) shelf.get(keyOf(1));
    shelf.set(keyOf(2), {}, 100);
    expect(shelf.set(keyOf(3), {}, 100)).toBe(true);
    expect([shelf.get(keyOf(1)), shelf.get(keyOf(2)), shelf.get(keyOf(3))]).toEqual([undefined, {}, {}]);
  });

  it("weighs a value anew that is put in the place of one of its own", () => {
    const shelf = open().shelf("a", 1_000);
    shelf.set(keyOf(1), {}, 600);
    shelf.set(keyOf(1), {}, 700);
    expect([shelf.bytes, shelf.entries]).toEqual([700, 1]);
  });

  it("is gone with its model, and says so", () => {
    const said: unknown[] = [];
    const store = open({ changed: (...what) => said.push(what) });
    store.shelf("a", 500).set(keyOf(1), {}, 100);
    store.retain(new Set(["b"]));
    expect(store.bytes).toBe(0);
    expect(said.at(-1)).toEqual(["a", 0, 0]);
  });

  it("counts in its budget through any order of what is put, asked and dropped", () => {
    const random = seededRandom(5);
    const store = open({ maxBytes: 10_000 });
    const shelves = ["a", "b", "c"].map((name) => store.shelf(name, 6_000));
    for (let i = 0; i < 20_000; i += 1) {
      const shelf = shelves[Math.floor(random() * 3)];
      const key = keyOf(Math.floor(random() * 200));
      if (random() < 0.5) shelf?.get(key);
      else if (random() < 0.9) shelf?.set(key, {}, 1 + Math.floor(random() * 3_000));
      else shelf?.delete(key);
      if (store.bytes > 10_000 || shelves.some(({ bytes }) => bytes > 6_000)) throw new Error(`over budget at ${i}`);
    }
    for (const shelf of shelves) shelf.drop(() => true);
    expect(store.bytes).toBe(0);
  });
});

/** The share of `asked` that was there, where each that was not is put there. */
function hitRatio(asked: Iterable<number>, admission: boolean): number {
  const shelf = openStore<Value>({ maxBytes: 1_000, dead: () => false, admission }).shelf("a", 1_000);
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

/** Zipf's law with exponent 0.9 over so many different ones. */
function* zipf(count: number, different: number): Generator<number> {
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

function* scanned(count: number): Generator<number> {
  let n = 1_000_000;
  for (const one of zipf(count, 20_000)) {
    yield one;
    // two that nobody asks for again for each that somebody does
    yield n++;
    yield n++;
  }
}

describe("admission, against letting everything in (in percent of hits, room for 1,000)", () => {
  it("earns its keep on zipf 0.9 over 20,000, and under a scan", () => {
    const figures = {
      zipf: [hitRatio(zipf(200_000, 20_000), false), hitRatio(zipf(200_000, 20_000), true)],
      scan: [hitRatio(scanned(60_000), false), hitRatio(scanned(60_000), true)],
    };
    expect(figures).toEqual({ zipf: [47.6, 58.2], scan: [10.8, 18.6] });
  });
});
