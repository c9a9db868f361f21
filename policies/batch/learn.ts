// What a batch costs: l(b) = a*b + B, learned from the batches that ran, by recursive least squares with forgetting.

/** What is known of one bucket at one endpoint. Milliseconds; `a` is for one row. */
export interface Cost {
  readonly a: number;
  readonly B: number;
  /** 19 of 20 runs took at most this much longer than predicted. */
  readonly overMs: number;
}

export interface Learner {
  /** What has been learned, however old; undefined before enough has been seen. */
  cost(): Cost | undefined;
  /** Whether it was confirmed lately: requests refused by what is old would never be tried again. */
  believed(now: number): boolean;
  /** The most rows that are worth joining now: 1 where batching gains nothing. */
  useful(now: number): number;
  /** A run of so many rows took so long. */
  learn(rows: number, tookMs: number, now: number): void;
  /** Runs seen since it last began anew. */
  readonly samples: number;
}

/** Source for all of these: shared algorithm, dynamic batching, rule 2. */
const FORGETTING = 0.99;
const ENOUGH = 8;
/** At this many rows the fixed cost is 5 % of the whole: 19 = 1/0.05 - 1. */
const WORTH = 19;
const RETEST_MS = 60_000;
/** Residuals kept for their 95th percentile. */
const RESIDUALS = 64;
/** A run this many times further off than 19 of 20 counts as that far off only. */
const OUTLIER = 3;
/** Without a run for so long what was learned refuses nobody. */
const BELIEVED_MS = 1000;
/** Uncertainty at the beginning, and the most that forgetting may let it grow to. */
const UNCERTAIN = 1e4;

/** @param maxRows the most rows of a batch, above 0 */
export function openLearner(maxRows: number): Learner {
  let fit = new Fit();
  let spread = openSpread();
  let samples = 0;
  let sizes: readonly [least: number, most: number] = [Number.POSITIVE_INFINITY, 0];
  let lastAt = Number.NEGATIVE_INFINITY;
  let offSince: number | undefined;
  // runs in a row after which joining looked useless: one slow run of many rows must not switch it off
  let useless = 0;

  const restart = () => {
    fit = new Fit();
    spread = openSpread();
    samples = 0;
    sizes = [Number.POSITIVE_INFINITY, 0];
    offSince = undefined;
    useless = 0;
  };
  // sizes that are all the same say nothing of a row's share
  const isLearned = () => samples >= ENOUGH && sizes[1] > sizes[0];

  return {
    cost() {
      if (samples < ENOUGH) return undefined;
      // of runs of one size it is safe to say only what such a run takes
      const { a, B } = isLearned() ? fit : { a: 0, B: fit.at(sizes[0]) };
      return { a: Math.max(0, a), B: Math.max(0, B), overMs: spread.overMs() };
    },
    believed: (now) => now - lastAt <= BELIEVED_MS,
    useful(now) {
      if (offSince !== undefined && now - offSince >= RETEST_MS) restart();
      if (offSince !== undefined) return 1;
      if (!isLearned()) return Math.min(maxRows, rung(samples));
      const rows = usefulRows(fit, maxRows);
      // before it is sure, pairs go on showing what two rows take
      return Math.min(maxRows, Math.max(2, rows));
    },
    learn(rows, tookMs, now) {
      lastAt = now;
      const predicted = fit.at(rows);
      // a run that the machine held up says nothing of the model
      const taken = Math.min(tookMs, predicted + OUTLIER * spread.usualMs());
      if (samples >= ENOUGH) spread.add(tookMs - predicted);
      samples += 1;
      if (rows < sizes[0] || rows > sizes[1]) sizes = [Math.min(sizes[0], rows), Math.max(sizes[1], rows)];
      fit.add(rows, taken);
      useless = isLearned() && usefulRows(fit, maxRows) === 1 ? useless + 1 : 0;
      if (useless >= ENOUGH) offSince ??= now;
    },
    get samples() {
      return samples;
    },
  };
}

/** clamp(ceil(19 * B / a), 1, maxRows). */
export function usefulRows({ a, B }: Pick<Cost, "a" | "B">, maxRows: number): number {
  if (B <= 0) return 1;
  if (a <= 0) return maxRows;
  return Math.min(maxRows, Math.max(1, Math.ceil((WORTH * B) / a)));
}

/** What a run of so many rows will take, in milliseconds. */
export function predictMs({ a, B }: Pick<Cost, "a" | "B">, rows: number): number {
  return a * rows + B;
}

/** Until enough is known sizes grow step by step, so that a model which gains nothing is not held up by large batches. */
function rung(samples: number): number {
  return samples < ENOUGH ? 2 ** (1 + Math.floor(samples / 2)) : 16;
}

/** Recursive least squares of two unknowns; `aa`, `ab` and `bb` are the inverse of the weighted correlation of what was seen. */
class Fit implements Pick<Cost, "a" | "B"> {
  a = 0;
  B = 0;
  #aa = UNCERTAIN;
  #ab = 0;
  #bb = UNCERTAIN;

  at(rows: number): number {
    return this.a * rows + this.B;
  }

  add(rows: number, tookMs: number): void {
    const alongA = this.#aa * rows + this.#ab;
    const alongB = this.#ab * rows + this.#bb;
    const gain = 1 / (FORGETTING + alongA * rows + alongB);
    const error = tookMs - this.at(rows);
    this.a += alongA * gain * error;
    this.B += alongB * gain * error;
    const aa = this.#aa - alongA * alongA * gain;
    const bb = this.#bb - alongB * alongB * gain;
    // what is seen again and again is forgotten no further than to the first uncertainty, or the rest blows up
    const grow = aa + bb < UNCERTAIN ? 1 / FORGETTING : 1;
    this.#aa = aa * grow;
    this.#ab = (this.#ab - alongA * alongB * gain) * grow;
    this.#bb = bb * grow;
  }
}

interface Spread {
  add(residual: number): void;
  /** 19 of 20 runs took at most this much longer than predicted; 0 before any are known. */
  overMs(): number;
  /** 19 of 20 runs were at most this far off, one way or the other; Infinity before enough are known. */
  usualMs(): number;
}

/** Sorting is for every so many residuals only. */
const SORT_EVERY = 16;

function openSpread(): Spread {
  const last = new Float64Array(RESIDUALS);
  let count = 0;
  let [over, usual] = [0, Number.POSITIVE_INFINITY];
  return {
    add(residual) {
      last[count % RESIDUALS] = residual;
      count += 1;
      if (count < ENOUGH || (count >= SORT_EVERY && count % SORT_EVERY !== 0)) return;
      const known = last.subarray(0, Math.min(count, RESIDUALS));
      over = Math.max(0, percentile95(known));
      usual = percentile95(known.map(Math.abs));
    },
    overMs: () => over,
    usualMs: () => usual,
  };
}

function percentile95(values: Float64Array): number {
  const sorted = values.toSorted();
  return sorted[Math.min(sorted.length - 1, Math.floor(0.95 * sorted.length))] ?? 0;
}
