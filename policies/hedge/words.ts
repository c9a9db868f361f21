// The words after `hedge:`.

import { z } from "zod";
import { duration, type Read, show, word } from "../../core/words.ts";
import { onOff, share } from "../words.ts";

/** When the second copy of a request goes out: at a quantile of the times of late, or after a fixed time. */
export type HedgeAfter = { readonly quantile: number } | { readonly ms: number };

export interface HedgeOptions {
  readonly after: HedgeAfter;
  /** Second copies for each request at most, as a fraction. */
  readonly share: number;
  /** Whether a request may run twice; see `policies/repeatable.ts`. */
  readonly repeatable?: boolean;
}

const EXPECTED = "a quantile from p50 to p99.9, or a duration such as 50ms";

const quantile = word<HedgeAfter>(EXPECTED, (text): Read<HedgeAfter> => {
  const percent = Number(/^p(\d\d(?:\.\d)?)$/.exec(text)?.[1]);
  return percent >= 50 ? { value: { quantile: Math.round(percent * 10) / 1000 } } : { expected: EXPECTED };
});

const after = z
  .union([quantile, duration().transform((ms): HedgeAfter => ({ ms: Math.max(1, ms) }))], {
    error: ({ input }) => `expected ${EXPECTED}, got ${show(input)}`,
  })
  .prefault("p95")
  .describe("When the second copy goes out: a quantile of the answers of late (p95), or a time; at least 1ms.");

const words = z.strictObject({
  after,
  budget: share("Second copies for each request of the last 10 s at most.").prefault("5%"),
  repeatable: z.boolean().optional().describe("Whether a request may run twice; learned where not said."),
});

/** `true` for all that holds where nothing is said, `false` for no hedges. */
export const hedgeWords = onOff(words)
  .transform((said): HedgeOptions | false => {
    if (said === false) return false;
    const { after, budget, repeatable } = said;
    return { after, share: budget, ...(repeatable === undefined ? {} : { repeatable }) };
  })
  .describe("A second copy of a request that is late, to another endpoint; off where nothing is said.");
