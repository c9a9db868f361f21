import { describe, expect, it } from "vitest";
import { didYouMean, formatMistake, formatPath } from "../../../config/mistakes.ts";
import { show } from "../../../core/words.ts";

describe("a mistake in print", () => {
  it("stands in the form of the house: path, expected, got, file and line", () => {
    const mistake = {
      path: "models.digits.to.percent",
      line: 31,
      column: 5,
      message: "expected a number in [0, 100], got 130",
    };
    expect(formatMistake(mistake, "sluice.yaml")).toBe(
      "models.digits.to.percent: expected a number in [0, 100], got 130 (sluice.yaml:31)",
    );
    expect(formatMistake({ ...mistake, path: "", line: undefined }, "x")).toBe(
      "expected a number in [0, 100], got 130 (x)",
    );
  });

  it("writes a path as a person does", () => {
    expect(formatPath(["backends", "gpu-0", "endpoints", 1, "a b"])).toBe('backends.gpu-0.endpoints[1]["a b"]');
    expect(formatPath([])).toBe("");
  });

  it("shows a value on one short line", () => {
    expect([undefined, null, [1], { a: 1 }, "x\ny", 5, true].map(show)).toEqual([
      "nothing",
      "nothing",
      "a list",
      "a map",
      '"x\\ny"',
      "5",
      "true",
    ]);
    expect(show("y".repeat(500))).toHaveLength(80);
  });

  it("guesses only what is near", () => {
    expect(didYouMean("repositry", ["repository", "workers"])).toBe(', did you mean "repository"?');
    expect(didYouMean("x", ["log"])).toBe("");
    expect(didYouMean("zebra", ["listen", "readiness"])).toBe("");
    expect(didYouMean("a", [])).toBe("");
  });
});
