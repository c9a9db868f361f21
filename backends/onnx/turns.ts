// The jobs that wait for a worker, and which of them are let down: those for whom there is no place, and those who have become too late.

import type { Env } from "../../core/env.ts";
import type { InferError } from "../../core/error.ts";
import type { ShedReason } from "../../core/event.ts";
import { openPace, type Pace } from "../../core/limit/pace.ts";
import { full, type Job, tooLate } from "./job.ts";
import { openQueue } from "./queue.ts";

export interface Turns {
  readonly size: number;
  /** Somebody is refused when there is no place: of the lowest priority, of the tenant with the most rows. */
  push(job: Job): void;
  putBack(job: Job): void;
  /** False when it does not wait here. */
  remove(job: Job): boolean;
  /** Takes out who is next of those that a worker with these sessions can run, and in time. */
  take(sessions: ReadonlySet<string>): Job | undefined;
  drain(): readonly Job[];
  /** A run has been answered. */
  ran(job: Job, ranMs: number): void;
  /** The session is gone. */
  forget(session: string): void;
}

export interface TurnsOptions {
  readonly backend: string;
  readonly maxQueue: number;
  readonly env: Env;
  /** It has been told, and is here no longer. */
  refused(job: Job): void;
}

export function openTurns({ backend, maxQueue, env, refused }: TurnsOptions): Turns {
  const queue = openQueue<Job>(maxQueue);
  const paces = new Map<string, Pace>();
  const place = { at: "endpoint", backend, endpoint: `${backend}/local` } as const;
  const shed = (job: Job, reason: ShedReason, error: InferError) => {
    env.emit({ type: "shed", of: place, reason });
    job.reject(error);
    refused(job);
  };
  return {
    get size() {
      return queue.size;
    },
    push(job) {
      const { model } = job.order;
      const loser = queue.push(model, job);
      if (loser === undefined) return;
      env.emit({ type: "queue-full", backend, model });
      shed(loser, loser === job ? "full" : "displaced", full(maxQueue));
    },
    putBack: (job) => queue.putBack(job.order.model, job),
    remove: (job) => queue.remove(job.order.model, job),
    // everybody who is refused leaves the queue, so it ends
    take(sessions) {
      for (;;) {
        const hasOthers = queue.size > 1;
        const job = queue.take(({ order }) => sessions.has(order.session));
        // without others nobody gains by its place, and what was learned may be old
        if (job === undefined || !hasOthers) return job;
        const leftMs = job.deadline - env.clock.now();
        const leastMs = paces.get(job.order.session)?.leastMs ?? 0;
        if (leftMs >= leastMs) return job;
        shed(job, "late", tooLate(leastMs, leftMs));
      }
    },
    drain: queue.drain,
    ran({ order: { session } }, ranMs) {
      const pace = paces.get(session) ?? openPace();
      paces.set(session, pace);
      pace.learn(ranMs);
    },
    forget: (session) => void paces.delete(session),
  };
}
