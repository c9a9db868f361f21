// Which refusals have a line of their own in the log: so many a second, and one line for all the others of that second.

import type { Env } from "../core/env.ts";

/** Lines a second: a storm is seen as well by them as by all, and to write all of them would make it worse. */
export const LINES = 100;
const SECOND_MS = 1000;

export interface RefusalLines {
  /** Whether what ended with this code is told by a line of its own; what is not is counted. */
  admits(code: unknown): boolean;
}

export function openRefusalLines({ clock, log }: Pick<Env, "clock" | "log">): RefusalLines {
  let since = Number.NEGATIVE_INFINITY;
  let lines = 0;
  let untold = 0;
  const tell = () => {
    log.warn({ refusals: untold }, "refusals of the last second that have no line of their own");
    untold = 0;
  };
  return {
    admits(code) {
      if (code !== "overloaded" && code !== "quota-exceeded") return true;
      const now = clock.now();
      if (now - since >= SECOND_MS) {
        since = now;
        lines = 0;
      }
      lines += 1;
      if (lines <= LINES) return true;
      if (untold === 0) clock.after(since + SECOND_MS - now, tell);
      untold += 1;
      return false;
    },
  };
}
