import { describe, expect, it, test } from "vitest";
import { trimText, withAnswer } from "../../../backends/said.ts";
import { InferError } from "../../../core/error.ts";

describe("what a server says, as callers read it", () => {
  it.each([
    ["a\n  b", "a b"],
    ["no answer from http://10.0.0.7:8001/v2 today", "no answer from today"],
    ["connect ECONNREFUSED 10.0.0.7:8001", "connect ECONNREFUSED"],
    ["connect to [fd00::7]:8001 failed", "connect to failed"],
    ["localhost:9000 and triton.models.svc:8001 are gone", "and are gone"],
    ["failed to connect to ipv4:10.0.0.7:8001", "failed to connect to"],
    ["KeyError: 'x'\nTraceback (most recent call last):\n  File \"/srv/m.py\", line 3", "KeyError: 'x'"],
    ["Traceback (most recent call last):\n File x", ""],
    ["KeyError: 'x'\n\nAt:\n  /srv/m.py(3): execute", "KeyError: 'x'"],
    ["Prediction failed\n\tat org.pytorch.serve.job.RestJob.respond(RestJob.java:12)", "Prediction failed"],
    ["TypeError: x\n    at predict (file:///srv/m.js:3:7)", "TypeError: x"],
  ])("has neither addresses nor a stack: %j", (said, told) => {
    expect(trimText(said)).toBe(told);
  });

  it.each([
    "input x:0 of shape [1,2]: expected 3.5 and 1.2.3, got 10:30",
    "Servable not found for request: Specific(m, 9)",
    "looked at 3 rows, at line 7 of the table: 12 cells",
    "expects [-1,16], got [1,8]",
  ])("is otherwise as it was: %s", (said) => {
    expect(trimText(said)).toBe(said);
  });

  it("is 500 characters long at most", () => {
    expect(trimText("x".repeat(600))).toBe(`${"x".repeat(497)}...`);
  });
});

test("a fault has the whole answer behind it, up to 4000 bytes", () => {
  const fault = new InferError("overloaded", "busy", { retryAfterMs: 5, retryable: "elsewhere", unsent: true });
  const told = withAnswer(fault, { status: 503, headers: new Map(), body: Buffer.alloc(5000, "x") });
  expect({ ...told, message: told.message }).toEqual({ ...fault, message: "busy" });
  expect(told.cause).toEqual(new Error(`HTTP status 503: ${"x".repeat(4000)}`));
});
