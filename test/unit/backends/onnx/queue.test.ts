import { describe, expect, it } from "vitest";
import { openQueue } from "../../../../backends/onnx/queue.ts";

const any = () => true;

describe("the queue", () => {
  it("keeps the order within a model and takes the models in turn", () => {
    const queue = openQueue<string>(10);
    for (const entry of ["a1", "a2", "a3", "b1", "c1", "c2"]) queue.push(entry[0]!, entry);
    const taken = Array.from({ length: 7 }, () => queue.take(any));
    expect(taken).toEqual(["a1", "b1", "c1", "a2", "c2", "a3", undefined]);
    expect(queue.size).toBe(0);
  });

  it("passes over a model whose first entry does not suit, and keeps its turn", () => {
    const queue = openQueue<string>(10);
    for (const entry of ["a1", "b1", "b2"]) queue.push(entry[0]!, entry);
    expect(queue.take((entry) => entry[0] === "b")).toBe("b1");
    expect(queue.take(any)).toBe("a1");
  });

  it("an entry that suits nobody does not hold up those behind it", () => {
    const queue = openQueue<string>(10);
    for (const entry of ["a1", "a2", "a3"]) queue.push("a", entry);
    queue.putBack("a", "a0");
    const suits = (entry: string) => entry === "a2" || entry === "a3";
    expect([queue.take(suits), queue.take(suits), queue.take(suits)]).toEqual(["a2", "a3", undefined]);
    expect(queue.drain()).toEqual(["a0", "a1"]);
  });

  it("refuses beyond its bound, and again has room when one was taken", () => {
    const queue = openQueue<number>(2);
    expect([queue.push("a", 1), queue.push("a", 2), queue.push("a", 3), queue.push("b", 4)]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    queue.take(any);
    expect(queue.push("a", 5)).toBe(true);
  });

  it("what is put back comes first, in the order in which it was put back, even when the queue is full", () => {
    const queue = openQueue<string>(2);
    queue.push("a", "a1");
    queue.push("a", "a2");
    queue.putBack("a", "x");
    queue.putBack("a", "y");
    expect(queue.drain()).toEqual(["x", "y", "a1", "a2"]);
    expect(queue.size).toBe(0);
  });

  it("gives up an entry wherever it stands", () => {
    const queue = openQueue<string>(10);
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
