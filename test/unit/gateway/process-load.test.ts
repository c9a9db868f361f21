import { describe, expect, it } from "vitest";
import { openBudget } from "../../../gateway/budget.ts";
import { openProcessLoad, processReadings } from "../../../gateway/process-load.ts";
import { fakeEnv } from "../../support/fake-env.ts";

const MiB = 2 ** 20;

function open() {
  const env = fakeEnv();
  const now = { memory: 10 * MiB, lag: 0, closed: 0 };
  const readings = {
    memoryBytes: () => now.memory,
    lagMs: () => now.lag,
    close: () => {
      now.closed += 1;
    },
  };
  const load = openProcessLoad({ memoryBytes: 100 * MiB, lagMs: 500 }, readings, env);
  const read = (change: Partial<typeof now>) => {
    Object.assign(now, change);
    env.clock.advance(250);
  };
  const overloads = () => env.events.filter(({ type }) => type === "process-overload");
  return { env, load, now, read, overloads };
}

describe("an overloaded process", () => {
  it("refuses nothing below its limits, and with a reason and a time above each of them", () => {
    const { load, read } = open();
    read({ memory: 100 * MiB, lag: 500 });
    expect(load.refusal(true)).toBeUndefined();
    read({ memory: 120 * MiB });
    expect(load.refusal(true)).toMatchObject({
      code: "overloaded",
      origin: "gateway",
      retryAfterMs: 1000,
      message: "the gateway's memory is at 120MiB, its limit is 100MiB (limits.memory)",
    });
    read({ memory: 10 * MiB, lag: 700 });
    expect(load.refusal(true)?.message).toBe(
      "the gateway's event loop is late by 700ms, its limit is 500ms (limits.lag)",
    );
  });

  it("is over once it is a tenth below its limit, and says when it begins and ends", () => {
    const { load, read, overloads } = open();
    const said = [101, 99, 91, 89, 99].map((memory) => {
      read({ memory: memory * MiB });
      return load.refusal(true) !== undefined;
    });
    expect(said).toEqual([true, true, true, false, false]);
    expect(overloads()).toEqual([
      { type: "process-overload", of: "memory", state: "begins" },
      { type: "process-overload", of: "memory", state: "ends" },
    ]);
  });

  it("lets one request through where no other is held, so that memory which stays stops nobody for ever", () => {
    const { env, load, read } = open();
    read({ memory: 200 * MiB });
    const budget = openBudget(1000, load.refusal);
    const [first, second] = [budget.open(), budget.open()];
    first.grow(10);
    // what has begun to be taken goes on
    first.grow(10);
    expect(() => second.grow(1)).toThrow("limits.memory");
    expect(budget.usedBytes).toBe(20);
    first.release();
    second.grow(1);
    expect(env.events.filter(({ type }) => type === "process-shed")).toEqual([{ type: "process-shed", of: "memory" }]);
  });

  it("stops reading when it is closed", () => {
    const { env, load, now } = open();
    load.close();
    expect([env.clock.pending, now.closed]).toEqual([0, 1]);
  });
});

it("one long turn of the loop is no overload, two in a row are, and the first prompt one ends it", () => {
  const late = [0, 1200, 10, 700, 650, 600, 5];
  const readings = processReadings({
    meanMs: () => late.shift() ?? 0,
    lateness: () => ({ min: 0, max: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0 }),
    close: () => {},
  });
  expect(Array.from({ length: 7 }, () => readings.lagMs())).toEqual([0, 0, 10, 10, 650, 600, 5]);
});
