// Whether a queue stands or only smooths a burst: CoDel's question, asked each time somebody is let go.

/** CoDel's target and interval. Source: RFC 8289, 4.2 and 4.3, whose reasons hold for requests too. */
export const TARGET_MS = 5;
export const INTERVAL_MS = 100;

export interface Overload {
  /** The queue has stood for a whole interval: even the least that its oldest had waited was above the target. */
  readonly now: boolean;
  /** Those that have waited longer than this are let down while it stands, in milliseconds. */
  readonly patienceMs: number;
  /** A permit is free and the oldest has waited so long. */
  note(waitedMs: number, at: OverloadAt): void;
  /** Nobody waits. */
  empty(): void;
}

export interface OverloadAt {
  /** On the monotonic clock, in milliseconds. */
  readonly now: number;
  /** The mean time of a run, in milliseconds, and how many run at once. */
  readonly runMs: number;
  readonly limit: number;
}

/**
 * CoDel as Folly has it: no pace of drops that grows, but everybody beyond twice the target while the queue stands. Runs may
 * take longer than the packets that 5 ms were chosen for, so the target is never below the time from one free permit to
 * the next, and the interval never below one run: the queue cannot be judged by less. Source: RFC 8289, 3.2 (a target below the time of
 * one packet starves the link); facebook/folly, executors/Codel.cpp.
 */
export function openOverload(): Overload {
  let stands = false;
  let targetMs = TARGET_MS;
  let leastMs = 0;
  let until = Number.NEGATIVE_INFINITY;
  return {
    get now() {
      return stands;
    },
    get patienceMs() {
      return 2 * targetMs;
    },
    note(waitedMs, { now, runMs, limit }) {
      targetMs = Math.max(TARGET_MS, runMs / Math.max(1, limit));
      if (now < until) {
        leastMs = Math.min(leastMs, waitedMs);
        return;
      }
      stands = leastMs > targetMs;
      leastMs = waitedMs;
      until = now + Math.max(INTERVAL_MS, runMs);
    },
    empty() {
      stands = false;
      leastMs = 0;
    },
  };
}
