import { expect, test } from "vitest";
import { sourceText } from "../../../config/source.ts";

test("equal words are equal text", () => {
  expect(sourceText({ a: [1, "x", null, true] })).toBe(sourceText({ a: [1, "x", null, true] }));
});

test.each([
  ["a number and its text", 1, "1"],
  ["the order of keys", { a: 1, b: 2 }, { b: 2, a: 1 }],
  ["no value and null", {}, { a: null }],
  ["infinities", Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ["NaN and null", Number.NaN, null],
  ["zeros of two signs", 0, -0],
  ["a list and its text", ["a"], '["a"]'],
])("tells %s apart", (_what, a, b) => {
  expect(sourceText({ at: a })).not.toBe(sourceText({ at: b }));
});
