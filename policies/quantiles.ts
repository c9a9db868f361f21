// Quantiles of differences in bounded memory; the one door to DDSketch.

import { LogCollapsingLowestDenseDDSketch } from "@datadog/sketches-js";

export interface Quantiles {
  /** @param value at least 0; Infinity is counted apart */
  add(value: number): void;
  readonly count: number;
  /** Values that were infinite: nothing could be compared. */
  readonly infinite: number;
  /** The value at a quantile in [0, 1], within one hundredth of itself; Infinity among the infinite ones, 0 where there is none. */
  quantile(q: number): number;
}

/** 2,048 bins of 1 % each span more than seventeen orders of magnitude; the smallest collapse into one beyond that. */
export function openQuantiles(): Quantiles {
  const sketch = new LogCollapsingLowestDenseDDSketch({ relativeAccuracy: 0.01, binLimit: 2048 });
  let infinite = 0;
  return {
    add(value) {
      if (Number.isFinite(value)) sketch.accept(value);
      else infinite += 1;
    },
    get count() {
      return sketch.count + infinite;
    },
    get infinite() {
      return infinite;
    },
    quantile(q) {
      const count = sketch.count + infinite;
      if (count === 0) return 0;
      if (q * (count - 1) >= sketch.count) return Number.POSITIVE_INFINITY;
      // the rank among the finite ones
      return sketch.getValueAtQuantile(sketch.count < 2 ? q : Math.min(1, (q * (count - 1)) / (sketch.count - 1)));
    },
  };
}
