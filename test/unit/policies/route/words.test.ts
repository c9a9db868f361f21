import { describe, expect, it } from "vitest";
import { routeMistake } from "../../../support/routes.ts";

const CANARY = { stable: "stable", candidate: "next", percent: 5, unit: { header: "x-user-id" } };
const AB = {
  name: "wording",
  unit: { header: "x-user-id" },
  variants: { control: { to: "stable", percent: 50 }, b: { to: "next", percent: 50 } },
};

describe("the words of routers", () => {
  it.each([
    [
      { canary: { ...CANARY, percent: 130 } },
      "canary.percent: expected a number in [0, 100] with at most two decimals, got 130",
    ],
    [
      { canary: { ...CANARY, percent: 0.001 } },
      "canary.percent: expected a number in [0, 100] with at most two decimals, got 0.001",
    ],
    [
      { canary: { ...CANARY, unit: { claim: "sub" } } },
      "canary.unit.claim: not yet: a claim of a token is not read before the token is verified",
    ],
    [
      { canary: { ...CANARY, candidate: { weighted: [{ weight: 1 }] } } },
      "canary.candidate.weighted.0.to: expected a version or label, or a router such as {weighted: [...]}, got nothing",
    ],
    [
      { ab: { ...AB, variants: { ...AB.variants, b: { to: "next", percent: 40 } } } },
      "ab.variants: expected percentages that come to 100, got 90",
    ],
    [
      { rules: [{ when: { tenant: "a" }, to: "next" }] },
      "rules.0.when: expected a last rule without when, for the requests that fit none",
    ],
    [
      { rules: [{ to: "next" }, { to: "next" }] },
      "rules.0: expected when in every rule but the last: nothing passes this one",
    ],
    [{ weighted: [{ to: "next", weight: 0 }] }, "weighted: expected at least one weight above 0, got none"],
    [
      { weighted: [], canary: CANARY },
      ": expected one router (rules, shadow, fallback, answer, canary, ab, weighted, affinity), got weighted and canary",
    ],
    [{ wheighted: [] }, 'wheighted: unknown key, did you mean "weighted"?'],
    [{ canary: { ...CANARY, percents: 5 } }, 'canary.percents: unknown key, did you mean "percent"?'],
    [
      { shadow: { of: "stable", to: "next", compare: { rtol: 1, argmax: true } } },
      "shadow.compare: expected one way to compare, got rtol and atol and argmax",
    ],
    [
      { fallback: ["next", { answer: { y: { datatype: "FP32", shape: [2], data: [1] } } }] },
      "fallback.1.answer.y.data: expected 2 values for shape [2], got 1",
    ],
    [[], ": expected a version or label, or a router such as {weighted: [...]}, got a list"],
  ])("%j is refused: %s", (words, message) => {
    expect(routeMistake(words)).toBe(message);
  });

  it("nest freely, to a depth that people can read", () => {
    const deep = (depth: number): unknown => (depth === 0 ? "next" : { fallback: [deep(depth - 1), "stable"] });
    expect(routeMistake(deep(32))).toBeUndefined();
    expect(routeMistake(deep(40))).toMatch(/expected at most 32 routers/);
  });
});
