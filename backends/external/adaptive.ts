// The moving limit of one server: what its answers of the last moments were like, one window after the other.

import type { Clock } from "../../core/env.ts";
import { GRADIENT2, openGradient2 } from "./gradient2.ts";

export interface Adaptive {
  /** Calls at once, whole. */
  readonly limit: number;
  /** An answer came after `ranMs` for so many rows, while `running` calls were there, itself included. */
  sample(answer: Answer): void;
}

export interface Answer {
  readonly ranMs: number;
  readonly rows: number;
  readonly running: number;
  /** It came to no good: then it took at least so long, or failed at once. */
  readonly failed: boolean;
}

/**
 * A window is at least so long and has at least so many answers, so that one odd answer moves nothing. Ten windows a second
 * let the limit grow by up to 8 in that time; with Netflix's one a second it would take minutes to find a large server out.
 */
const WINDOW_MS = 100;
const WINDOW_ANSWERS = 10;
/**
 * The long run is as long as with Netflix's windows, ten minutes: under a load that stays too high it comes up to the latency of
 * that load, and the shorter it is the sooner the limit follows.
 */
const LONG_WINDOWS = (GRADIENT2.longWindow * 1000) / WINDOW_MS;

/** @param most never beyond it, whatever the latency says */
export function openAdaptive(clock: Clock, most: number): Adaptive {
  const gradient = openGradient2({ ...GRADIENT2, longWindow: LONG_WINDOWS, max: Math.min(GRADIENT2.max, most) });
  let window = fresh(clock.now());
  let lastMean = 0;
  return {
    get limit() {
      return Math.floor(gradient.limit);
    },
    sample({ ranMs, rows, running, failed }) {
      // what fails quickly says nothing of how long an answer takes; what fails late says that it takes longer still
      if (failed && ranMs <= lastMean * rows) return;
      window.answers += 1;
      window.ms += ranMs;
      window.rows += Math.max(1, rows);
      window.running = Math.max(window.running, running);
      const now = clock.now();
      if (window.answers < WINDOW_ANSWERS || now - window.since < WINDOW_MS) return;
      // over all rows of the window: a batch of 64 rows is no slow request of 1
      lastMean = window.ms / window.rows;
      if (lastMean > 0) gradient.update(lastMean, window.running);
      window = fresh(now);
    },
  };
}

interface Window {
  readonly since: number;
  answers: number;
  ms: number;
  rows: number;
  running: number;
}

function fresh(since: number): Window {
  return { since, answers: 0, ms: 0, rows: 0, running: 0 };
}
