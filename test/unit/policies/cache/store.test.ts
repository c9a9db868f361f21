// The store of answers: its budget, whose answers go, and what admission earns.

import { describe, expect, it } from "vitest";
import { openStore, type StoreOptions } from "../../../../policies/cache/store.ts";
import { seededRandom } from "../../../support/fake-env.ts";
import { hitPercent, keyOf, scanned, zipf } from "../../../support/popularity.ts";

interface Value {
  readonly dead?: boolean;
}

const open = (init: Partial<StoreOptions<Value>> = {}) =>
  openStore<Value>({ maxBytes: 1_000, dead: ({ dead }) => dead === true, ...init });
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

describe("admission, against letting everything in (in percent of hits, room for 1,000)", () => {
  it("earns its keep on zipf 0.9 over 20,000, and under a scan", () => {
    const figures = (asked: () => Iterable<number>) =>
      [false, true].map((admission) => hitPercent(asked(), { entries: 1_000, admission }));
    expect(figures(() => zipf(200_000, 20_000))).toEqual([47.6, 58.2]);
    expect(figures(() => scanned(60_000, 20_000))).toEqual([10.8, 18.6]);
  });
});
