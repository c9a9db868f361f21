import { expect, test } from "vitest";
import { canonical, openParts } from "../../../gateway/parts.ts";

function maker() {
  const log: string[] = [];
  const make = (name: string) => async () => {
    log.push(`open ${name}`);
    return { name, close: async () => void log.push(`close ${name}`) };
  };
  return { log, make };
}

test("an unchanged part is handed to the next tree and closed by the last that uses it", async () => {
  const { log, make } = maker();
  const first = openParts();
  const a = await first.use("a", make("a"));
  await first.use("b", make("b"));
  const second = openParts(first);
  expect(await second.use("a", make("a"))).toBe(a);
  await first.close();
  expect(log).toEqual(["open a", "open b", "close b"]);
  await second.close();
  expect(log).toEqual(["open a", "open b", "close b", "close a"]);
});

test("parts are closed in the reverse of the order in which they were opened", async () => {
  const { log, make } = maker();
  const parts = openParts();
  for (const name of ["a", "b", "c"]) await parts.use(name, make(name));
  await parts.close();
  expect(log.slice(3)).toEqual(["close c", "close b", "close a"]);
});

test("a part that cannot be opened is not closed, and the others are", async () => {
  const { log, make } = maker();
  const parts = openParts();
  await parts.use("a", make("a"));
  await expect(parts.use("bad", async () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  await parts.close();
  expect(log).toEqual(["open a", "close a"]);
});

test("one key is one part within a tree, and closing twice closes once", async () => {
  const { log, make } = maker();
  const parts = openParts();
  expect(await parts.use("a", make("a"))).toBe(await parts.use("a", make("a")));
  await parts.close();
  await parts.close();
  expect(log).toEqual(["open a", "close a"]);
});

test("keys do not depend on the order of options", () => {
  expect(canonical({ b: [1, { y: 1, x: 2 }], a: 1 })).toBe(canonical({ a: 1, b: [1, { x: 2, y: 1 }] }));
  expect(canonical({ a: [1, 2] })).not.toBe(canonical({ a: [2, 1] }));
});
