// Runs long codec work in slices, all of it together taking at most a few milliseconds of any turn of the event loop.

import { abortReason } from "../core/call.ts";
import type { Clock } from "../core/env.ts";
import type { RunSliced } from "../core/protocol.ts";

/** What all slices together may take of one turn, in milliseconds; one slice is about 1 ms. */
const TURN_MS = 1;

interface Job {
  /** Does one slice; true when the job is over. */
  step(): boolean;
}

/**
 * One queue for the process: however many large bodies are in work, a turn of the loop spends about TURN_MS on them.
 * They take turns, so a small one is not held up by a large one for longer than a slice each.
 */
export function openSlicer(clock: Clock): RunSliced {
  const jobs: Job[] = [];
  let scheduled = false;

  const turn = () => {
    scheduled = false;
    const until = clock.now() + TURN_MS;
    while (jobs.length > 0) {
      const job = jobs.shift() as Job;
      if (!job.step()) jobs.push(job);
      if (clock.now() >= until) break;
    }
    schedule();
  };
  const schedule = () => {
    if (scheduled || jobs.length === 0) return;
    scheduled = true;
    setImmediate(turn);
  };

  return (work, options) => {
    if (options.small) {
      const next = work.next();
      if (next.done) return next.value;
    }
    return new Promise((resolve, reject) => {
      jobs.push({
        step() {
          try {
            if (options.signal.aborted) throw abortReason(options.signal);
            const next = work.next();
            if (!next.done) return false;
            resolve(next.value);
          } catch (error) {
            reject(error);
          }
          return true;
        },
      });
      schedule();
    });
  };
}
