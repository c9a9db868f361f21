import { describe, expect, it } from "vitest";
import { saidIn } from "../../../../backends/http/faults.ts";

const said = (body: unknown) => saidIn(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));

describe("what a server says about a fault", () => {
  it.each([
    [{ error: "bad shape" }, "bad shape"],
    [{ detail: "said 422" }, "said 422"],
    [[{ error: "bad thing" }], "bad thing"],
    [{ error: { message: "deep", code: 3 } }, "deep"],
    [{ detail: [{ loc: ["body", "x", 0], msg: "field required" }] }, "body.x.0: field required"],
    [
      {
        error: "1 validation error for Input",
        detail: [
          { type: "missing", loc: ["x"], msg: "Field required", url: "https://errors.pydantic.dev/2.14/v/missing" },
        ],
      },
      "1 validation error for Input: x: Field required",
    ],
    ["bad\ninput \t here", "bad input here"],
    ["see http://10.0.0.7:8080/docs now", "see now"],
    ["<!doctype html><title>400</title>", ""],
    ['{"cut', ""],
    ["Traceback (most recent call last):\n  File", ""],
    [{ other: 1 }, ""],
    ["", ""],
    ["x".repeat(600), `${"x".repeat(497)}...`],
    ["x".repeat(70_000), ""],
  ])("%# is one line without addresses", (body, expected) => {
    expect(said(body)).toBe(expected);
  });
});
