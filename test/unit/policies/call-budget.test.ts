// The budget of further calls: exact counts, and the bound that it promises over whole tens of seconds.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CallBudget, openCallBudget } from "../../../policies/call-budget.ts";
import { fakeClock } from "../../support/fake-env.ts";

function taken(budget: CallBudget, most = 1000): number {
  for (let i = 0; i < most; i += 1) if (!budget.take()) return i;
  return most;
}

describe("a budget of further calls", () => {
  it("has ten seconds of its floor at once and no more", () => {
    const budget = openCallBudget({ clock: fakeClock(), share: 0.2, perSecond: 10 });
    expect(taken(budget)).toBe(100);
  });

  it("has one for every five requests beside it", () => {
    const budget = openCallBudget({ clock: fakeClock(), share: 0.2, perSecond: 10 });
    for (let i = 0; i < 1000; i += 1) budget.request();
    expect(taken(budget)).toBe(300);
  });

  it("gives the fifth request of five its one call, whatever the sums of floats say", () => {
    const budget = openCallBudget({ clock: fakeClock(), share: 0.2, perSecond: 0 });
    const counts = [1, 2, 3, 4, 5].map(() => {
      budget.request();
      return taken(budget);
    });
    expect(counts).toEqual([0, 0, 0, 0, 1]);
  });

  it("forgets requests and calls alike after ten seconds and what is left of the eleventh", () => {
    const clock = fakeClock(500);
    const budget = openCallBudget({ clock, share: 0.5, perSecond: 0 });
    for (let i = 0; i < 10; i += 1) budget.request();
    clock.advance(10_000);
    expect(taken(budget)).toBe(5);
    for (let i = 0; i < 4; i += 1) budget.request();
    clock.advance(1_000);
    // the ten are gone, the five that were taken for them are not
    expect(taken(budget)).toBe(0);
    clock.advance(9_000);
    expect(taken(budget)).toBe(0);
    clock.advance(1_000);
    for (let i = 0; i < 4; i += 1) budget.request();
    expect(taken(budget)).toBe(2);
    clock.advance(60_000);
    expect(taken(budget)).toBe(0);
  });

  /** Asks for as many further calls as it can, and says how many it got of what the bound allows. */
  const run = (
    open: typeof openCallBudget,
    gaps: readonly number[],
    beginsAt = 0,
  ): { readonly got: number; readonly bound: number } => {
    const clock = fakeClock(beginsAt);
    const budget = open({ clock, share: 0.2, perSecond: 10 });
    let [got, requests] = [0, 0];
    for (const gap of gaps) {
      clock.advance(gap);
      requests += 1;
      budget.request();
      // every try fails, and every failure is to be tried again at once
      for (let i = 0; i < 4; i += 1) if (budget.take()) got += 1;
    }
    const tens = Math.floor((clock.now() - beginsAt) / 10_000) + 1;
    return { got, bound: 0.2 * requests + 100 * tens };
  };
  const gaps = fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 400, maxLength: 1500 });

  it("never gives more than a fifth of the requests and ten a second, however they come", () => {
    fc.assert(
      fc.property(gaps, fc.integer({ min: 0, max: 999 }), (list, beginsAt) => {
        const { got, bound } = run(openCallBudget, list, beginsAt);
        expect(got).toBeLessThanOrEqual(bound + 1e-6);
      }),
      { seed: 9, numRuns: 60 },
    );
  });

  it("keeps to two tens of seconds' worth in twenty seconds that begin within one", () => {
    // 100 requests a second for twenty seconds from the middle of one
    const list = Array.from({ length: 1999 }, () => 10);
    const { got, bound } = run(openCallBudget, list, 500);
    expect([got <= bound, got]).toEqual([true, 599]);
  });

  it("is told by that check from one that forgets what was taken", () => {
    const forgetful: typeof openCallBudget = (options) => {
      let budget = openCallBudget(options);
      let slice = 0;
      return {
        request: () => budget.request(),
        take() {
          const now = Math.floor(options.clock.now() / 1000);
          if (now !== slice) budget = openCallBudget(options);
          slice = now;
          return budget.take();
        },
      };
    };
    const list = Array.from({ length: 1500 }, () => 20);
    const { got, bound } = run(forgetful, list);
    expect(got).toBeGreaterThan(bound);
  });
});
