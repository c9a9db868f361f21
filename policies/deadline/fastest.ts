// The fastest answer of late to a request of a size: what no later answer has come below.

import type { Clock } from "../../core/env.ts";

export interface Fastest {
  answered(elements: number, ms: number): void;
  /** The least that an answer to no larger a request took in the last ten to twenty seconds; undefined where none came. */
  msFor(elements: number): number | undefined;
}

/** Half of what is remembered is forgotten at a time, after so long. */
const HALF_MS = 10_000;
/** Sizes are told apart by their power of two, up to this one. */
const SIZES = 32;

type Times = Float64Array;

const none = (): Times => new Float64Array(SIZES).fill(Number.POSITIVE_INFINITY);

/** The largest power of two that is not above it, by its exponent; sizes beyond the last are the last. */
function powerOf(elements: number): number {
  return elements >= 2 ** (SIZES - 1) ? SIZES - 1 : 31 - Math.clz32(Math.max(1, elements));
}

export function openFastest(clock: Clock): Fastest {
  let [now, before]: [Times, Times] = [none(), none()];
  let since = clock.now();
  const age = () => {
    const at = clock.now();
    if (at - since < HALF_MS) return;
    before = at - since < 2 * HALF_MS ? now : none();
    now = none();
    since = at;
  };
  return {
    answered(elements, ms) {
      age();
      // one that is larger says nothing of one that is smaller: its size is rounded up, the asked one down
      const size = elements <= 1 ? 0 : Math.min(SIZES - 1, powerOf(elements - 1) + 1);
      now[size] = Math.min(now[size] ?? ms, ms);
    },
    msFor(elements) {
      age();
      const size = powerOf(elements);
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i <= size; i += 1) least = Math.min(least, now[i] ?? least, before[i] ?? least);
      return least === Number.POSITIVE_INFINITY ? undefined : least;
    },
  };
}
