// When an answer is late: a live quantile, taken anew every three seconds.

import { describe, expect, it } from "vitest";
import { openLateness } from "../../../../policies/hedge/lateness.ts";
import { hedgeWords } from "../../../../policies/hedge/words.ts";
import { fakeClock } from "../../../support/fake-env.ts";

describe("lateness", () => {
  it("is unknown before twenty answers, and their p95 from then on", () => {
    const lateness = openLateness({ quantile: 0.95 }, fakeClock());
    for (let i = 1; i < 20; i += 1) lateness.took(i);
    expect(lateness.afterMs()).toBeUndefined();
    lateness.took(100);
    // the 95th of a hundred of 1..19 and 100 is the nineteenth, within the sketch's one hundredth
    expect(lateness.afterMs()).toBeGreaterThan(18.5);
    expect(lateness.afterMs()).toBeLessThan(19.5);
  });

  it("follows the answers of the last three seconds", () => {
    const clock = fakeClock();
    const lateness = openLateness({ quantile: 0.95 }, clock);
    for (let i = 0; i < 20; i += 1) lateness.took(10);
    for (let i = 0; i < 30; i += 1) {
      clock.advance(99);
      lateness.took(200);
    }
    expect(lateness.afterMs()).toBeCloseTo(10, 0);
    clock.advance(100);
    lateness.took(200);
    expect(lateness.afterMs()).toBeGreaterThan(197);
  });

  it("is never less than a millisecond", () => {
    const lateness = openLateness({ quantile: 0.5 }, fakeClock());
    for (let i = 0; i < 20; i += 1) lateness.took(0.01);
    expect(lateness.afterMs()).toBe(1);
  });

  it("may be a time of the config", () => {
    expect(openLateness({ ms: 50 }, fakeClock()).afterMs()).toBe(50);
  });
});

describe("the words of a hedge", () => {
  it.each([
    [true, { after: { quantile: 0.95 }, share: 0.05 }],
    [
      { after: "p99.9", budget: "1%" },
      { after: { quantile: 0.999 }, share: 0.01 },
    ],
    [{ after: "50ms" }, { after: { ms: 50 }, share: 0.05 }],
    [false, false],
  ])("%j", (words, options) => {
    const read = hedgeWords.parse(words);
    expect(typeof read === "object" && typeof options === "object" ? { ...read } : read).toEqual(options);
  });

  it.each(["p49", "p100", "p5", "soon", "-3ms"])("after: %s is refused with what is expected", (after) => {
    const { success, error } = hedgeWords.safeParse({ after });
    expect([success, JSON.stringify(error?.issues)]).toEqual([
      false,
      expect.stringContaining("a quantile from p50 to p99.9, or a duration such as 50ms"),
    ]);
  });
});
