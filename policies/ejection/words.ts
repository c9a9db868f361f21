// The words after `ejection`.

import { z } from "zod";
import { duration } from "../../core/words.ts";
import { onOff } from "../words.ts";

export interface EjectionOptions {
  /** How often the endpoints of a pool are compared. */
  readonly everyMs: number;
  /** With fewer calls since the last comparison an endpoint is left out of it. */
  readonly minimumCalls: number;
  /** How many standard deviations worse than the mean is too much. */
  readonly deviations: number;
  /** How long an endpoint stays out the first time; the second time twice as long, the third three times. */
  readonly ejectForMs: number;
  readonly ejectMaxMs: number;
}

const words = z
  .strictObject({
    every: duration().prefault("10s").describe("How often the endpoints are compared."),
    minimumCalls: z
      .int()
      .min(1)
      .default(100)
      .describe("An endpoint with fewer calls since the last comparison is left out of this one."),
    deviations: z
      .number()
      .gt(0)
      .default(1.9)
      .describe("How many standard deviations worse than the pool's mean an endpoint must be."),
    ejectFor: duration().prefault("30s").describe("How long an endpoint stays out, times how often it has been."),
    ejectMax: duration().prefault("5m").describe("The longest that it stays out."),
  })
  .superRefine(({ ejectFor, ejectMax }, context) => {
    if (ejectMax >= ejectFor) return;
    context.addIssue({ code: "custom", path: ["ejectMax"], message: "expected at least ejectFor, got less" });
  });

/** What may follow `ejection`: none where it is off. */
export const ejectionWords = onOff(words)
  .transform((written): EjectionOptions | false => {
    if (written === false) return written;
    const { every, ejectFor, ejectMax, ...rest } = written;
    return { ...rest, everyMs: every, ejectForMs: ejectFor, ejectMaxMs: ejectMax };
  })
  .describe(
    "Takes out an endpoint that is much worse than the others of its pool, of 5 or more: true for the defaults, false, or a map.",
  );
