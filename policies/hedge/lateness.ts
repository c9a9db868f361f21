// When an answer is late: a quantile of the answers of late, taken anew every three seconds.

import type { Clock } from "../../core/env.ts";
import { openQuantiles, type Quantiles } from "../quantiles.ts";
import type { HedgeAfter } from "./words.ts";

export interface Lateness {
  took(ms: number): void;
  /** After how many milliseconds an answer is late; undefined while too few are known. */
  afterMs(): number | undefined;
}

/** Source: finagle's BackupRequestFilter. */
const REFRESH_MS = 3000;
const LEAST_MS = 1;
/** A p95 of fewer says nothing; a refresh waits for as many. */
const MIN_SAMPLES = 20;

export function openLateness(after: HedgeAfter, clock: Clock): Lateness {
  if ("ms" in after) return { took() {}, afterMs: () => after.ms };
  const { quantile } = after;
  let sketch: Quantiles = openQuantiles();
  let since = clock.now();
  let late: number | undefined;
  return {
    took(ms) {
      sketch.add(ms);
      const now = clock.now();
      // the first one is not waited for
      if (sketch.count < MIN_SAMPLES || (late !== undefined && now - since < REFRESH_MS)) return;
      late = Math.max(LEAST_MS, sketch.quantile(quantile));
      sketch = openQuantiles();
      since = now;
    },
    afterMs: () => late,
  };
}
