// A rate that replicas count together, in windows of its period, in a store that may be away at any time.

import type { Clock } from "../../core/env.ts";
import type { SharedStore } from "../../core/store.ts";
import { MOST_CALLERS } from "./buckets.ts";
import { kindOf, nameInStore } from "./caller.ts";
import type { Rate } from "./words.ts";

export interface SharedRate {
  /** How long the caller's window is known to be used up, in milliseconds: then the store need not be asked. */
  wait(caller: string): number;
  /**
   * Counts one request of the caller's.
   *
   * @returns 0 when it fits or the store does not answer, else how long until the window ends, in milliseconds
   */
  take(caller: string): Promise<number>;
}

export interface SharedRateOptions {
  readonly rate: Rate;
  /** Empty for all models. */
  readonly model: string;
  readonly clock: Clock;
  readonly store: SharedStore;
}

/** In a window as many requests fit as the rate has, or its burst where that is more. */
export function openShared({ rate, model, clock, store }: SharedRateOptions): SharedRate {
  const most = Math.max(rate.requests, rate.burst);
  const prefix = `rate/${model}/${kindOf(rate.by)}/${rate.text}/`;
  // until when, in the order in which they were used up
  const usedUp = new Map<string, number>();
  return {
    wait(caller) {
      const until = usedUp.get(caller);
      if (until === undefined) return 0;
      const leftMs = until - clock.now();
      if (leftMs > 0) return leftMs;
      usedUp.delete(caller);
      return 0;
    },
    async take(caller) {
      const count = await store.add(prefix + nameInStore(caller), 1, rate.perMs);
      if (count === undefined || count.total <= most) return 0;
      const waitMs = Math.max(1, count.endsInMs);
      usedUp.delete(caller);
      usedUp.set(caller, clock.now() + waitMs);
      if (usedUp.size > MOST_CALLERS) {
        const [oldest = ""] = usedUp.keys();
        usedUp.delete(oldest);
      }
      return waitMs;
    },
  };
}
