import { describe, expect, it } from "vitest";
import { type Lanes, type LanesOptions, openLanes } from "../../../backends/lanes.ts";

function opened(options: Partial<LanesOptions<string>> = {}): Lanes<string> {
  let count = 0;
  return openLanes({
    lanes: 2,
    each: 1,
    waiting: 2,
    open: () => {
      count += 1;
      return `lane ${count}`;
    },
    ...options,
  });
}

/** Takes lanes one after the other and tells who got which. */
function taker(lanes: Lanes<string>) {
  const got: string[] = [];
  return { got, take: (who: string) => lanes.take((lane) => void got.push(`${who}: ${lane}`)) };
}

describe("lanes", () => {
  it("are opened as they are needed, and the last one used is used first", () => {
    const lanes = opened({ lanes: 3 });
    const { got, take } = taker(lanes);
    take("a");
    take("b");
    lanes.give("lane 1");
    lanes.give("lane 2");
    take("c");
    take("d");
    take("e");
    expect(got).toEqual(["a: lane 1", "b: lane 2", "c: lane 2", "d: lane 1", "e: lane 3"]);
    expect(lanes.all).toEqual(["lane 1", "lane 2", "lane 3"]);
  });

  it("are given to those who wait in their order", () => {
    const lanes = opened();
    const { got, take } = taker(lanes);
    for (const who of ["a", "b", "c", "d"]) take(who);
    lanes.give("lane 2");
    lanes.give("lane 1");
    expect(got.slice(2)).toEqual(["c: lane 2", "d: lane 1"]);
  });

  it("pass by who has left the line", () => {
    const lanes = opened({ lanes: 1 });
    const { got, take } = taker(lanes);
    take("a");
    const leave = take("b");
    take("c");
    leave();
    leave();
    lanes.give("lane 1");
    expect(got).toEqual(["a: lane 1", "c: lane 1"]);
  });

  it("have a line of bounded length", () => {
    const lanes = opened({ lanes: 1, waiting: 2 });
    const { take } = taker(lanes);
    take("a");
    take("b");
    const leave = take("c");
    expect(() => take("d")).toThrow("2 requests wait for a connection to the backend already");
    leave();
    expect(() => take("d")).not.toThrow();
  });

  it("are shared only when all are used, the least used first", () => {
    const lanes = opened({ each: 3 });
    const { got, take } = taker(lanes);
    for (const who of ["a", "b", "c", "d", "e"]) take(who);
    expect(got).toEqual(["a: lane 1", "b: lane 2", "c: lane 1", "d: lane 2", "e: lane 1"]);
    lanes.give("lane 2");
    lanes.give("lane 2");
    take("f");
    expect(got.at(-1)).toBe("f: lane 2");
    take("g");
    take("h");
    // six users: the next one waits
    take("i");
    expect(got).toHaveLength(8);
    lanes.give("lane 1");
    expect(got.at(-1)).toBe("i: lane 1");
  });

  it("that nobody uses come before those that are shared", () => {
    const lanes = opened({ each: 2 });
    const { got, take } = taker(lanes);
    for (const who of ["a", "b", "c", "d"]) take(who);
    for (const lane of ["lane 2", "lane 2", "lane 1"]) lanes.give(lane);
    take("e");
    expect(got.at(-1)).toBe("e: lane 2");
  });

  it("leave nobody's turn out when what cannot be opened is asked for", () => {
    const lanes = opened({
      open: () => {
        throw new Error("closed");
      },
    });
    expect(() => lanes.take(() => {})).toThrow("closed");
    expect(lanes.all).toEqual([]);
  });
});
