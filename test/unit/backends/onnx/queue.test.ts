import { describe, expect, it } from "vitest";
import { openQueue } from "../../../../backends/onnx/queue.ts";
import type { Waiting } from "../../../../core/limit/queue.ts";

const any = () => true;

interface One extends Waiting {
  readonly name: string;
}

/** A queue of names, each of which waits as the test says: of one row, no tenant and no priority where it says nothing. */
function names(most: number) {
  const queue = openQueue<One>(most);
  const all = new Map<string, One>();
  const one = (name: string, said: Partial<Waiting> = {}): One => {
    const known = all.get(name) ?? { name, tenant: "", level: 9, rows: 1, ...said };
    all.set(name, known);
    return known;
  };
  return {
    get size() {
      return queue.size;
    },
    /** Who lost its place; undefined where there was room. */
    push: (model: string, name: string, said?: Partial<Waiting>) => queue.push(model, one(name, said))?.name,
    putBack: (model: string, name: string) => queue.putBack(model, one(name)),
    remove: (model: string, name: string) => queue.remove(model, one(name)),
    take: (suits: (name: string) => boolean) => queue.take(({ name }) => suits(name))?.name,
    drain: () => queue.drain().map(({ name }) => name),
  };
}

describe("the queue", () => {
  it("keeps the order within a model and takes the models in turn", () => {
    const queue = names(10);
    for (const entry of ["a1", "a2", "a3", "b1", "c1", "c2"]) queue.push(entry[0]!, entry);
    const taken = Array.from({ length: 7 }, () => queue.take(any));
    expect(taken).toEqual(["a1", "b1", "c1", "a2", "c2", "a3", undefined]);
    expect(queue.size).toBe(0);
  });

  it("passes over a model whose first entry does not suit, and keeps its turn", () => {
    const queue = names(10);
    for (const entry of ["a1", "b1", "b2"]) queue.push(entry[0]!, entry);
    expect(queue.take((entry) => entry[0] === "b")).toBe("b1");
    expect(queue.take(any)).toBe("a1");
  });

  it("an entry that suits nobody does not hold up those behind it", () => {
    const queue = names(10);
    for (const entry of ["a1", "a2", "a3"]) queue.push("a", entry);
    queue.putBack("a", "a0");
    const suits = (entry: string) => entry === "a2" || entry === "a3";
    expect([queue.take(suits), queue.take(suits), queue.take(suits)]).toEqual(["a2", "a3", undefined]);
    expect(queue.drain()).toEqual(["a0", "a1"]);
  });

  it("refuses beyond its bound, and again has room when one was taken", () => {
    const queue = names(2);
    const losers = ["a1", "a2", "a3", "b4"].map((name) => queue.push(name[0]!, name));
    expect(losers).toEqual([undefined, undefined, "a3", undefined]);
    queue.take(any);
    expect([queue.push("a", "a5"), queue.size]).toEqual([undefined, 3]);
  });

  it("serves a higher priority first, and lets it have the place of a lower one when it is full", () => {
    const queue = names(3);
    for (const name of ["low 1", "low 2", "low 3"]) queue.push("a", name);
    expect(queue.push("a", "high", { level: 1 })).toBe("low 3");
    expect(queue.push("a", "lowest", { level: 10 })).toBe("lowest");
    expect([1, 2, 3, 4].map(() => queue.take(any))).toEqual(["high", "low 1", "low 2", undefined]);
  });

  it("lets tenants take turns by rows, and takes places from the one that has most", () => {
    const queue = names(5);
    for (const name of ["a1", "a2", "a3", "a4"]) queue.push("m", name, { tenant: "a" });
    queue.push("m", "b1", { tenant: "b", rows: 2 });
    expect(queue.push("m", "c1", { tenant: "c" })).toBe("a4");
    expect(Array.from({ length: 5 }, () => queue.take(any))).toEqual(["a1", "b1", "c1", "a2", "a3"]);
  });

  it("passes over who does not suit also among priorities and tenants", () => {
    const queue = names(9);
    queue.push("m", "high", { level: 1, tenant: "a" });
    queue.push("m", "low a", { tenant: "a" });
    queue.push("m", "low b", { tenant: "b" });
    expect([queue.take((name) => name === "low b"), queue.take(any), queue.size]).toEqual(["low b", "high", 1]);
  });

  it("keeps its bound whatever was put back", () => {
    const queue = names(2);
    for (const name of ["a1", "a2"]) queue.push("a", name);
    for (const name of queue.drain()) queue.putBack("a", name);
    expect([queue.push("a", "a3"), queue.size]).toEqual(["a3", 2]);
  });

  it("what is put back comes first, in the order in which it was put back, even when the queue is full", () => {
    const queue = names(2);
    queue.push("a", "a1");
    queue.push("a", "a2");
    queue.putBack("a", "x");
    queue.putBack("a", "y");
    expect(queue.drain()).toEqual(["x", "y", "a1", "a2"]);
    expect(queue.size).toBe(0);
  });

  it("gives up an entry wherever it stands", () => {
    const queue = names(10);
    for (const entry of ["a1", "a2", "a3"]) queue.push("a", entry);
    queue.putBack("a", "a0");
    expect([
      queue.remove("a", "a2"),
      queue.remove("a", "a0"),
      queue.remove("a", "a2"),
      queue.remove("b", "a1"),
    ]).toEqual([true, true, false, false]);
    expect(queue.drain()).toEqual(["a1", "a3"]);
  });
});
