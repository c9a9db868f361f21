import { describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import { openBudget } from "../../../gateway/budget.ts";
import { loopCount } from "../../../gateway/env.ts";
import { requestId, traceparent } from "../../../gateway/identity.ts";
import { openIntake } from "../../../gateway/intake.ts";
import { openSlicer } from "../../../gateway/slicer.ts";
import { fakeClock } from "../../support/fake-env.ts";

describe("the budget of bytes in flight", () => {
  test("refuses what does not fit beside the others, and takes it once they are done", () => {
    const budget = openBudget(100);
    const first = budget.open();
    first.grow(60);
    const second = budget.open();
    expect(() => second.grow(41)).toThrow("holds 60 of at most 100 bytes of requests, 41 more do not fit");
    second.grow(40);
    first.release();
    first.release();
    expect(budget.usedBytes).toBe(40);
    second.release();
    expect(budget.usedBytes).toBe(0);
  });

  test("bytes that come after a request was let go are not counted", () => {
    const budget = openBudget(100);
    const holding = budget.open();
    holding.release();
    holding.grow(10);
    expect(budget.usedBytes).toBe(0);
  });
});

describe("identity", () => {
  test("a sane id is kept, anything else is replaced", () => {
    expect(requestId("abc-123")).toBe("abc-123");
    for (const bad of [undefined, "", "a b", "a\nb", "é", "x".repeat(129)])
      expect(requestId(bad)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test("no two of 10,000 made ids are equal", () => {
    expect(new Set(Array.from({ length: 10_000 }, () => requestId(undefined))).size).toBe(10_000);
  });

  test("a valid trace context is kept, an invalid one is replaced by a valid one", () => {
    const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    expect(traceparent(good)).toBe(good);
    const zero = `00-${"0".repeat(32)}-b7ad6b7169203331-01`;
    for (const bad of [undefined, "", zero, good.toUpperCase(), `${good}-x`]) {
      expect(traceparent(bad)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    }
  });
});

describe("the slicer", () => {
  function* counting(steps: number, clock: { advance(ms: number): void }, log: string[], name: string) {
    for (let step = 0; step < steps; step++) {
      clock.advance(1);
      log.push(`${name}${step}`);
      yield;
    }
    return name;
  }
  const signal = new AbortController().signal;

  test("small work that never pauses is done at once", () => {
    const log: string[] = [];
    const clock = fakeClock();
    expect(openSlicer(clock)(counting(0, clock, log, "a"), { small: true, signal })).toBe("a");
  });

  test("long jobs take turns, and a turn of the loop does about a millisecond of them", async () => {
    const log: string[] = [];
    const clock = fakeClock();
    const run = openSlicer(clock);
    const done = [
      run(counting(3, clock, log, "a"), { small: false, signal }),
      run(counting(3, clock, log, "b"), { small: false, signal }),
    ];
    expect(log).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(["a0"]);
    expect(await Promise.all(done)).toEqual(["a", "b"]);
    expect(log).toEqual(["a0", "b0", "a1", "b1", "a2", "b2"]);
  });

  test("work whose caller has gone stops at its next slice", async () => {
    const log: string[] = [];
    const clock = fakeClock();
    const caller = new AbortController();
    const work = openSlicer(clock)(counting(100, clock, log, "a"), { small: false, signal: caller.signal });
    await new Promise((resolve) => setImmediate(resolve));
    caller.abort(new InferError("cancelled", "gone"));
    await expect(work).rejects.toMatchObject({ code: "cancelled" });
    expect(log).toEqual(["a0"]);
  });

  test("a fault in one job is that job's alone", async () => {
    const clock = fakeClock();
    const run = openSlicer(clock);
    function* faulty() {
      yield;
      throw new InferError("invalid-argument", "bad");
    }
    const bad = run(faulty(), { small: false, signal });
    const good = run(counting(2, clock, [], "good"), { small: false, signal });
    await expect(bad).rejects.toThrow("bad");
    await expect(good).resolves.toBe("good");
  });
});

describe("the intake", () => {
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  test("bytes beyond a turn's share wait for the next", async () => {
    let round = 7;
    const intake = openIntake({ clock: fakeClock(), loops: () => round });
    expect([intake.took(900_000), intake.took(140_000), intake.took(10_000)]).toEqual([false, false, true]);
    await intake.nextTurn();
    expect(intake.took(900_000)).toBe(false);
    // what was resumed at the end of a round has its share together with what the next round finds
    round += 1;
    expect(intake.took(900_000)).toBe(true);
    round += 1;
    expect(intake.took(900_000)).toBe(false);
  });

  test("a turn begins when its round of the loop first finds something", () => {
    const clock = fakeClock();
    let round = 1;
    const intake = openIntake({ clock, loops: () => round });
    clock.advance(5);
    expect([intake.began(), intake.crowded()]).toEqual([5, false]);
    clock.advance(1);
    expect([intake.began(), intake.crowded()]).toEqual([5, true]);
    round += 1;
    clock.advance(5);
    expect([intake.crowded(), intake.began()]).toEqual([false, 11]);
  });

  /** Requests that each take `ms` of a turn; `let down` hears of those that waited too long. */
  function crowd(ms: number, patienceMs?: number) {
    const clock = fakeClock();
    const intake = openIntake({ clock, loops: loopCount, ...(patienceMs === undefined ? {} : { patienceMs }) });
    const begun: number[] = [];
    const letDown: number[] = [];
    const request = async (n: number) => {
      // all but at once, in their order
      const since = n / 1000;
      let isLate = false;
      while (!isLate && intake.crowded()) isLate = await intake.wait(since);
      (isLate ? letDown : begun).push(n);
      if (!isLate) clock.advance(ms);
    };
    return { clock, begun, letDown, request };
  }

  test("requests are let in first come, first served, about a millisecond of them in a turn", async () => {
    const { begun, request } = crowd(1);
    const all = [0, 1, 2, 3, 4].map(request);
    expect(begun).toEqual([0]);
    await turn();
    expect(begun).toEqual([0, 1]);
    await Promise.all(all);
    expect(begun).toEqual([0, 1, 2, 3, 4]);
  });

  test("once the oldest has waited for long the last come is let in first, and who came far too long ago is let down", async () => {
    const { clock, begun, letDown, request } = crowd(60, 250);
    const all = [0, 1, 2, 3, 4, 5, 6].map(request);
    await Promise.all(all);
    // 1 and 2 in their turn; from 100 ms on the last first, until the others are late by more than 250 ms
    expect(begun).toEqual([0, 1, 6, 5, 4]);
    expect(letDown).toEqual([2, 3]);
    expect(clock.now()).toBe(300);
  });
});
