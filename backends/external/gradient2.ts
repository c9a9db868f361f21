// Gradient2: how many calls a server may have at once, found from how its latency moves.

export interface Gradient2Options {
  readonly initial: number;
  readonly min: number;
  readonly max: number;
  /** How much longer than in the long run an answer may take before the limit falls, as a factor. */
  readonly tolerance: number;
  /** The weight of a new limit against the one before, in (0, 1]. */
  readonly smoothing: number;
  /** By how many calls the limit may grow beyond what the latency speaks for: those that wait at the server. */
  readonly queue: number;
  /** Updates over which the latency in the long run is averaged. */
  readonly longWindow: number;
}

/** Sluice's values. Source: Netflix's defaults, with limits that fit servers of models, which run few requests at once. */
export const GRADIENT2: Gradient2Options = {
  initial: 16,
  min: 4,
  max: 512,
  tolerance: 1.5,
  smoothing: 0.2,
  queue: 4,
  longWindow: 600,
};

export interface Gradient2 {
  /** Not rounded. */
  readonly limit: number;
  /**
   * One window of answers.
   *
   * @param latency of the window, in any unit, above 0
   * @param inFlight the most calls at once in the window: a limit that nobody came near is not raised
   */
  update(latency: number, inFlight: number): void;
}

/**
 * Updates whose best begins the average of the long run. Netflix begins it with their mean: a gateway that starts under too much
 * load then takes that load's latency for the usual one, for minutes, and lets in all that comes.
 */
const WARM_UP = 10;
/** What takes so many times the short latency is a leftover of bad times, and is let go by a twentieth an update. Source: as above. */
const DRIFT = 2;
const DRIFT_DECAY = 0.95;
/** The steepest that one window may pull the limit down. Source: as above. */
const STEEPEST = 0.5;

/** Source: Netflix/concurrency-limits, Gradient2Limit.java and ExpAvgMeasurement.java, but for the beginning. */
export function openGradient2(options: Gradient2Options = GRADIENT2): Gradient2 {
  const { min, max, tolerance, smoothing, queue, longWindow } = options;
  const factor = 2 / (longWindow + 1);
  let limit = Math.min(max, Math.max(min, options.initial));
  let updates = 0;
  let long = 0;
  return {
    get limit() {
      return limit;
    },
    update(latency, inFlight) {
      updates += 1;
      if (updates === 1 || (updates <= WARM_UP && latency < long)) long = latency;
      else if (updates > WARM_UP) long += factor * (latency - long);
      // the gradient is that of before the decay, as there
      const gradient = Math.max(STEEPEST, Math.min(1, (tolerance * long) / latency));
      if (long / latency > DRIFT) long *= DRIFT_DECAY;
      if (inFlight < limit / 2) return;
      const next = limit * gradient + queue;
      limit = Math.min(max, Math.max(min, limit * (1 - smoothing) + next * smoothing));
    },
  };
}
