// The token buckets of one rate, one for each caller: the one door to the library that counts the tokens.

import { TokenBucket } from "limiter";
import type { Rate } from "./words.ts";

export interface Buckets {
  /**
   * Takes a token of the caller's.
   *
   * @returns 0 when there was one, else how long until there is, in milliseconds
   */
  take(caller: string): number;
  /** How long until the caller has a token, in milliseconds; none is taken. */
  wait(caller: string): number;
  /** The same for who only wants to know: nobody is remembered for it. */
  peek(caller: string): number;
  /** Callers that are remembered. */
  readonly size: number;
}

/**
 * Callers at most; whoever has asked longest ago is forgotten first, and begins anew with a full bucket. A list of the callers of a
 * busy day in some megabytes, and no more than that whatever headers a client makes up.
 */
export const MOST_CALLERS = 65_536;

/** A bucket is full at first. Its time is the library's own monotonic clock. */
export function openBuckets({ requests, perMs, burst }: Rate, most = MOST_CALLERS): Buckets {
  // in the order of their last request
  const buckets = new Map<string, TokenBucket>();
  const fresh = () => {
    const bucket = new TokenBucket({ bucketSize: burst, tokensPerInterval: requests, interval: perMs });
    bucket.content = burst;
    return bucket;
  };
  const of = (caller: string): TokenBucket => {
    const known = buckets.get(caller);
    const bucket = known ?? fresh();
    if (known !== undefined) buckets.delete(caller);
    buckets.set(caller, bucket);
    if (buckets.size > most) {
      const [oldest = ""] = buckets.keys();
      buckets.delete(oldest);
    }
    return bucket;
  };
  return {
    take(caller) {
      const bucket = of(caller);
      return bucket.tryRemoveTokens(1) ? 0 : Math.max(1, bucket.getWaitTime(1));
    },
    wait: (caller) => of(caller).getWaitTime(1),
    peek: (caller) => buckets.get(caller)?.getWaitTime(1) ?? 0,
    get size() {
      return buckets.size;
    },
  };
}
