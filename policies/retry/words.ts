// The words after `retry:`.

import { z } from "zod";
import { duration } from "../../core/words.ts";
import { onOff, share } from "../words.ts";

export interface RetryOptions {
  /** Tries of one request at most, the first among them. */
  readonly attempts: number;
  /** Retries for each request at most, as a fraction, beside ten a second. */
  readonly share: number;
  /** How long a retry waits where a server says when to come again, in milliseconds; 0 for never. */
  readonly pauseMs: number;
  /** Whether a request may run twice; see `policies/repeatable.ts`. */
  readonly repeatable?: boolean;
}

const MAX_ATTEMPTS = 5;

const words = z.strictObject({
  attempts: z
    .int()
    .min(2)
    .max(MAX_ATTEMPTS)
    .default(2)
    .describe("Tries of one request at most, the first among them; each at another endpoint."),
  budget: share("Retries for each request of the last 10 s, beside 10 a second.").prefault("20%"),
  pause: duration({ zero: true })
    .prefault("0ms")
    .describe("How long a retry may wait where a server says when to come again; 0ms for never."),
  repeatable: z
    .boolean()
    .optional()
    .describe(
      "Whether a request may run twice, where a fault does not say that it did not run; learned where not said.",
    ),
});

/** `false` for no retries. */
export const retryWords = onOff(words)
  .transform((said): RetryOptions | false => {
    if (said === false) return false;
    const { attempts, budget, pause, repeatable } = said;
    return { attempts, share: budget, pauseMs: pause, ...(repeatable === undefined ? {} : { repeatable }) };
  })
  .describe(
    "Another endpoint after a fault that may be cured there; on where nothing is said. See docs/resilience.md.",
  );
