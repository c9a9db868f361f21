import { describe, expect, test } from "vitest";
import { openTable, type Table } from "../../../../policies/cache/underway.ts";
import { seededRandom } from "../../../support/fake-env.ts";

/** Many with one last byte, also beyond one byte; one that is the beginning of another; and the empty one. */
const KEYS: readonly string[] = [
  "",
  "a",
  "b",
  "\0",
  "Ā",
  "aa",
  "ba",
  "ca",
  "da",
  "ab",
  "bb",
  "aša",
  "aš",
  "bš",
  "\u{1f600}",
];

/** Random steps on a table and a map. Throws where they differ. */
function play(table: Table<number>, seed: number): void {
  const random = seededRandom(seed);
  const map = new Map<string, number>();
  for (let value = 0; value < 300; value += 1) {
    const key = KEYS[Math.floor(random() * KEYS.length)] as string;
    if (random() < 0.5) {
      table.set(key, value);
      map.set(key, value);
    } else {
      table.delete(key);
      map.delete(key);
    }
    expect(KEYS.map((one) => [one, table.has(one), table.get(one)])).toEqual(
      KEYS.map((one) => [one, map.has(one), map.get(one)]),
    );
  }
}

describe("the table of what is under way", () => {
  test("is empty at first, and has what was set last until it is deleted", () => {
    const table = openTable<number>();
    expect([table.has("k"), table.get("k")]).toEqual([false, undefined]);
    table.set("k", 1);
    table.set("k", 2);
    expect([table.has("k"), table.get("k")]).toEqual([true, 2]);
    table.delete("k");
    table.delete("k");
    expect([table.has("k"), table.get("k")]).toEqual([false, undefined]);
  });

  test("has the empty key beside those that are looked for in the same place", () => {
    const table = openTable<string>();
    for (const key of ["", "\0", "a\0"]) table.set(key, `of ${key.length}`);
    table.delete("\0");
    expect([table.get(""), table.get("\0"), table.get("a\0")]).toEqual(["of 0", undefined, "of 2"]);
  });

  test("holds undefined as any other value", () => {
    const table = openTable<undefined>();
    table.set("k", undefined);
    expect(table.has("k")).toBe(true);
  });

  test("behaves as a map, also for keys with one last byte", () => {
    for (let seed = 0; seed < 40; seed += 1) play(openTable(), seed);
  });

  test("is told from one that looks at nothing but the last byte", () => {
    const table = openTable<number>();
    const last = (key: string) => key.slice(-1);
    const coarse: Table<number> = {
      get: (key) => table.get(last(key)),
      has: (key) => table.has(last(key)),
      set: (key, value) => table.set(last(key), value),
      delete: (key) => table.delete(last(key)),
    };
    expect(() => play(coarse, 1)).toThrow();
  });
});
