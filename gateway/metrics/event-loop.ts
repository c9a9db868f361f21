// The series of how late the event loop is, under the names that prom-client gives them.

import { Gauge, type Registry } from "prom-client";
import type { Lateness } from "../loop-delay.ts";

/** prom-client's own monitor looks at the loop so often, in milliseconds: never, since the process has one of its own. */
export const NEVER_MS = 2 ** 31 - 1;

const HELP: Readonly<Record<keyof Lateness, string>> = {
  min: "The least that the event loop was late by since the last scrape.",
  max: "The most that the event loop was late by since the last scrape.",
  mean: "What the event loop was late by on the mean since the last scrape.",
  stddev: "The standard deviation of what the event loop was late by since the last scrape.",
  p50: "What the event loop was late by at the 50th percentile since the last scrape.",
  p90: "What the event loop was late by at the 90th percentile since the last scrape.",
  p99: "What the event loop was late by at the 99th percentile since the last scrape.",
};
const NAMES = Object.keys(HELP) as (keyof Lateness)[];

/** Puts them in place of prom-client's, which would say how late the loop was and the monitor's own interval in one. */
export function openLoopSeries(registry: Registry, lateness: () => Lateness): void {
  const gauges = new Map<keyof Lateness, Gauge>();
  for (const of of NAMES) {
    const name = `nodejs_eventloop_lag_${of}_seconds`;
    registry.removeSingleMetric(name);
    // one of them asks for all, since asking begins them anew
    const collect = () => {
      const found = lateness();
      for (const [each, gauge] of gauges) gauge.set(found[each] / 1000);
    };
    const first = of === NAMES[0] ? { collect } : {};
    gauges.set(of, new Gauge({ name, help: HELP[of], registers: [registry], ...first }));
  }
}
