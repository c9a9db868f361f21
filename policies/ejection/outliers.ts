// Which endpoints of a pool are much worse than their peers. Source: Envoy, outlier detection, success rate.

/** What one endpoint did between two comparisons. */
export interface Sample {
  /** The share of its calls that succeeded. */
  readonly success: number;
  /** How long its answers took, as a multiple of what they take over the whole pool; undefined when it gave none. */
  readonly pace: number | undefined;
}

/** What an endpoint is worse in. */
export type Fault = "success" | "time";

/** Fewer endpoints than this say nothing of what is usual. */
export const LEAST_PEERS = 5;
/** However alike the others are: fewer failures than this beyond the mean are not worth a lost endpoint. */
const LEAST_GAP = 0.05;
/** However alike the others are: one that is less than so many times slower than the middle one does useful work. */
const LEAST_SLOWDOWN = 2;

/** For each sample the fault that makes it an outlier; no entry is one where there are too few. */
export function outliers(samples: readonly Sample[], deviations: number): readonly (Fault | undefined)[] {
  const none = samples.map(() => undefined);
  if (samples.length < LEAST_PEERS) return none;
  const rates = spread(samples.map(({ success }) => success));
  const failing = (success: number) =>
    success < rates.mean - deviations * rates.deviation && rates.mean - success >= LEAST_GAP;
  const paces = samples.flatMap(({ pace }) => pace ?? []);
  const times = paces.length < LEAST_PEERS ? undefined : spread(paces);
  const slow = (pace: number | undefined) =>
    pace !== undefined &&
    times !== undefined &&
    pace > times.mean + deviations * times.deviation &&
    pace >= LEAST_SLOWDOWN * times.median;
  return samples.map(({ success, pace }) => {
    if (failing(success)) return "success";
    return slow(pace) ? "time" : undefined;
  });
}

interface Spread {
  readonly mean: number;
  /** Of the whole population, as in Envoy. */
  readonly deviation: number;
  readonly median: number;
}

function spread(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const sorted = [...values].sort((a, b) => a - b);
  return { mean, deviation: Math.sqrt(variance), median: sorted[Math.floor((sorted.length - 1) / 2)] ?? mean };
}
