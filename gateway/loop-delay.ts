// How late the event loop is: one timer looks every 100 ms, since each look wakes a process that might sleep.

import { monitorEventLoopDelay } from "node:perf_hooks";

/** How often the loop is looked at, in milliseconds: what Node's histogram says includes it. */
const RESOLUTION_MS = 100;

/** How late the loop was, in milliseconds. */
export interface Lateness {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

export interface LoopDelay {
  /** On the mean since it was last asked for, in milliseconds; 0 where the loop was not looked at since. */
  meanMs(): number;
  /** Since it was last asked for. */
  lateness(): Lateness;
  close(): void;
}

/** Node's histogram of it, whose times are in nanoseconds and include how often it looks. */
export type Histogram = Pick<
  ReturnType<typeof monitorEventLoopDelay>,
  "count" | "min" | "max" | "mean" | "stddev" | "percentile" | "reset" | "enable" | "disable"
>;

/** The delay of this process's own loop. */
export function openLoopDelay(histogram: Histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })): LoopDelay {
  histogram.enable();
  const late = (ns: number) => Math.max(0, ns / 1e6 - RESOLUTION_MS);
  const sums = () => {
    const { count } = histogram;
    // without a sample the mean is no number
    return { count, sum: count === 0 ? 0 : count * histogram.mean };
  };
  let seen = { count: 0, sum: 0 };
  return {
    meanMs() {
      const now = sums();
      const isNew = now.count - seen.count;
      const mean = isNew <= 0 ? 0 : late((now.sum - seen.sum) / isNew);
      seen = now;
      return mean;
    },
    lateness() {
      const known = histogram.count > 0;
      const at = (percent: number) => (known ? late(histogram.percentile(percent)) : 0);
      const found = {
        min: known ? late(histogram.min) : 0,
        max: known ? late(histogram.max) : 0,
        mean: known ? late(histogram.mean) : 0,
        stddev: known ? histogram.stddev / 1e6 : 0,
        p50: at(50),
        p90: at(90),
        p99: at(99),
      };
      // what the mean has not been told of is still to be told
      const now = sums();
      seen = { count: seen.count - now.count, sum: seen.sum - now.sum };
      histogram.reset();
      return found;
    },
    close: () => void histogram.disable(),
  };
}
