// Whether keeping answers pays: a model that answers sooner than its answer is looked up needs no cache.

export interface Worth {
  /** One question that was asked: how long its look-up took and how long its answer, in milliseconds. */
  note(lookMs: number, askedMs: number): void;
  /** False once the look-ups have been found to cost more than the answers. */
  readonly pays: boolean;
}

/** Nothing is concluded from fewer: first ones are slow for reasons of their own. */
const LEAST = 32;
/** The weight of the newest question. */
const ALPHA = 0.05;

/** Both times are followed, so that it may turn out otherwise later. */
export function openWorth(): Worth {
  let count = 0;
  let look = 0;
  let asked = 0;
  return {
    note(lookMs, askedMs) {
      count += 1;
      // the plain mean at first, so that no single one of the first counts for long
      const weight = Math.max(ALPHA, 1 / count);
      look += weight * (lookMs - look);
      asked += weight * (askedMs - asked);
    },
    get pays() {
      return count < LEAST || asked >= look;
    },
  };
}
