import { expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";

test("a fault of the day is made without a trace of the stack, one of the house's own with it", () => {
  expect(new InferError("overloaded", "full").stack).not.toContain("error.test.ts");
  expect(new InferError("internal", "broken").stack).toContain("error.test.ts");
  // whoever makes another error after it has its trace
  expect(new Error("other").stack).toContain("error.test.ts");
});
