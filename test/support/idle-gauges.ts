// What metrics ask for of a gateway that does nothing.

import type { Gauges } from "../../gateway/metrics.ts";

export const IDLE: Gauges = {
  inFlightBytes: () => 0,
  inFlightRequests: () => 0,
  lateness: () => ({ min: 0, max: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0 }),
};
