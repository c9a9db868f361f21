// What one endpoint has done since its pool was compared last.

import type { Sample } from "./outliers.ts";

export interface Tally {
  /** @param pace how long the answer took, as a multiple of what is usual; undefined when there was none */
  add(success: boolean, pace: number | undefined): void;
  /** What there was, which is forgotten with that; undefined when there was nothing. */
  take(): (Sample & { readonly calls: number }) | undefined;
}

export function openTally(): Tally {
  let calls = 0;
  let successes = 0;
  let paced = 0;
  let paces = 0;
  return {
    add(success, pace) {
      calls += 1;
      if (success) successes += 1;
      if (pace === undefined) return;
      paced += 1;
      paces += pace;
    },
    take() {
      const sample =
        calls === 0 ? undefined : { calls, success: successes / calls, pace: paced === 0 ? undefined : paces / paced };
      calls = 0;
      successes = 0;
      paced = 0;
      paces = 0;
      return sample;
    },
  };
}
