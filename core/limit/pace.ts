// How long runs take, learned from those that ended: for telling who cannot be answered in time.

export interface Pace {
  /** What nearly every run takes at least, in milliseconds; 0 while too few have ended to tell. */
  readonly leastMs: number;
  /** What a run takes in the mean, in milliseconds; 0 while too few have ended to tell. */
  readonly meanMs: number;
  learn(ranMs: number): void;
}

/** Runs before anything is told. */
const ENOUGH = 10;
const WEIGHT = 0.1;
/** Longer runs raise the least so much less than shorter ones lower it, so that it stays near the short end. */
const RISE = 0.05;
const FALL = 0.2;

/** Follows changes within some dozens of runs. */
export function openPace(): Pace {
  let seen = 0;
  let mean = 0;
  let least = 0;
  return {
    get leastMs() {
      return seen < ENOUGH ? 0 : least;
    },
    get meanMs() {
      return seen < ENOUGH ? 0 : mean;
    },
    learn(ranMs) {
      seen += 1;
      const first = seen === 1;
      mean = first ? ranMs : mean + WEIGHT * (ranMs - mean);
      least = first ? ranMs : least + (ranMs < least ? FALL : RISE) * (ranMs - least);
    },
  };
}
