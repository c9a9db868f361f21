// How many more calls than requests may be sent: a share of the requests of the last ten seconds and a floor a second.
// Source: finagle's RetryBudget (20 %, 10/s, 10 s).

import type { Clock } from "../core/env.ts";

export interface CallBudgetOptions {
  readonly clock: Clock;
  /** Further calls for each request, as a fraction. */
  readonly share: number;
  /** Further calls a second whatever the number of requests. */
  readonly perSecond: number;
}

/**
 * In each ten seconds, and up to one more, at most `share` of their requests and ten times `perSecond` are taken. So over whole
 * tens of seconds, whenever they begin, calls / requests is at most 1 + share + perSecond / rate, and ten seconds' worth may be
 * taken at once.
 */
export interface CallBudget {
  /** Counts a request. */
  request(): void;
  /** Takes one further call; false when there is none. */
  take(): boolean;
}

const WINDOW_SECONDS = 10;
/** The slice that is under way is not whole: one more makes sure of ten seconds, whenever in a second they began. */
const SLICES = WINDOW_SECONDS + 1;
const SLICE_MS = 1000;
/** Sums of shares are not exact: five times 20 % is one call. */
const ROUNDING = 1e-9;

export function openCallBudget({ clock, share, perSecond }: CallBudgetOptions): CallBudget {
  const requests = new Float64Array(SLICES);
  const taken = new Float64Array(SLICES);
  const floor = perSecond * WINDOW_SECONDS;
  let slice = Math.floor(clock.now() / SLICE_MS);

  /** The place of this slice in the ring, those that are older than the ring emptied. */
  const place = (): number => {
    const now = Math.floor(clock.now() / SLICE_MS);
    for (let i = Math.max(slice + 1, now - SLICES + 1); i <= now; i += 1) {
      requests[i % SLICES] = 0;
      taken[i % SLICES] = 0;
    }
    slice = Math.max(slice, now);
    return slice % SLICES;
  };

  return {
    request() {
      const i = place();
      requests[i] = (requests[i] ?? 0) + 1;
    },
    take() {
      const i = place();
      if (share * sum(requests) + floor - sum(taken) < 1 - ROUNDING) return false;
      taken[i] = (taken[i] ?? 0) + 1;
      return true;
    },
  };
}

function sum(counts: Float64Array): number {
  let all = 0;
  for (const count of counts) all += count;
  return all;
}
