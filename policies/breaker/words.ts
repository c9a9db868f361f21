// The words after `breaker`.

import { z } from "zod";
import { duration } from "../../core/words.ts";
import { onOff } from "../words.ts";

export interface BreakerOptions {
  /** A window with more than this share of failures trips it. */
  readonly errorRate: number;
  /** With fewer calls in its window the rate says nothing. */
  readonly minimumCalls: number;
  /** So many failures with no success between them trip it. */
  readonly consecutive: number;
  readonly openForMs: number;
  readonly openMaxMs: number;
}

const words = z
  .strictObject({
    errorRate: z
      .number()
      .gt(0)
      .max(1)
      .default(0.5)
      .describe("Trips when more than this share of the last 10 s' calls failed; 1 leaves it to consecutive."),
    minimumCalls: z.int().min(1).default(20).describe("The rate counts from this many calls in 10 s on."),
    consecutive: z.int().min(1).default(5).describe("Trips after so many failures with no success between them."),
    openFor: duration()
      .prefault("5s")
      .describe("How long it stays open the first time; each time after, twice as long."),
    openMax: duration().prefault("60s").describe("The longest that it stays open."),
  })
  .superRefine(({ openFor, openMax }, context) => {
    if (openMax >= openFor) return;
    context.addIssue({ code: "custom", path: ["openMax"], message: "expected at least openFor, got less" });
  });

/** What may follow `breaker`: none where it is off. */
export const breakerWords = onOff(words)
  .transform((written): BreakerOptions | false => {
    if (written === false) return written;
    const { openFor, openMax, ...rest } = written;
    return { ...rest, openForMs: openFor, openMaxMs: openMax };
  })
  .describe(
    "Keeps calls from an endpoint that fails: true for the defaults, false, or a map. None where nothing is said.",
  );
