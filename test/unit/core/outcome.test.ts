import { expect, test } from "vitest";
import { type Code, InferError, type Origin } from "../../../core/error.ts";
import { type Outcome, outcomeOf } from "../../../core/outcome.ts";

const cases: readonly [Code, Origin | undefined, Outcome][] = [
  ["invalid-argument", undefined, "success"],
  ["not-found", undefined, "success"],
  ["unsupported", undefined, "success"],
  ["cancelled", undefined, "ignored"],
  ["overloaded", undefined, "ignored"],
  ["overloaded", "backend", "failure"],
  ["unavailable", undefined, "failure"],
  ["bad-backend", undefined, "failure"],
  ["deadline-exceeded", undefined, "failure"],
  ["internal", undefined, "ignored"],
];

test.each(cases)("%s of origin %s is a backend's %s", (code, origin, outcome) => {
  expect(outcomeOf(new InferError(code, "x", origin === undefined ? {} : { origin }))).toBe(outcome);
});

test("a deadline that ran out before the request was sent says nothing of the backend", () => {
  expect(outcomeOf(new InferError("deadline-exceeded", "x", { unsent: true }))).toBe("ignored");
});

test("an answer is a success, a foreign throw is nobody's fault but ours", () => {
  expect(outcomeOf(undefined)).toBe("success");
  expect(outcomeOf(new TypeError("bug"))).toBe("ignored");
});
