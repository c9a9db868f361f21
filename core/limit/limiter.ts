// A limit of what runs at once, with a bounded queue before it that lets down early whom it cannot serve in time.

import { abortReason, type Call, checkCall } from "../call.ts";
import { InferError, type Retryable } from "../error.ts";
import type { ShedReason } from "../event.ts";
import type { Outcome } from "../outcome.ts";
import { openOverload } from "./overload.ts";
import { openPace } from "./pace.ts";
import { openQueue, seatOf, type Waiting } from "./queue.ts";

export interface LimiterOptions {
  /** Whose limit it is, as a message says it: `model "m"`, `the endpoint`. */
  readonly what: string;
  /** How many may run at once now; it may move. */
  limit(): number;
  /** How many may wait; 0 for nobody. */
  readonly queue: number;
  /** Where another try may cure a refusal. */
  readonly retryable: Retryable;
  /** Hears of everybody who is refused. */
  shed(reason: ShedReason): void;
  /** Hears whenever another number of calls waits. */
  waits(count: number): void;
}

/** The right to run, given back exactly once. */
export interface Permit {
  /** How long it was waited for, in milliseconds; 0 where it was free. */
  readonly waitedMs: number;
  /** @param outcome what came of the run; only a success tells how long runs take */
  leave(outcome: Outcome): void;
}

export interface Limiter {
  readonly running: number;
  readonly waiting: number;
  /** How many could begin now. */
  readonly free: number;
  /**
   * A permit at once where one is free, else when the turn comes.
   *
   * @throws InferError overloaded, with the reason and a pause that is worth its while; the call's abort reason
   */
  enter(rows: number, call: Call): Permit | Promise<Permit>;
  /** What `enter` would refuse at once, and nobody is told; undefined where it would let the call in or wait. */
  look(rows: number, call: Call): InferError | undefined;
}

interface Refused {
  readonly reason: ShedReason;
  readonly text: string;
}

interface Entry extends Waiting {
  readonly since: number;
  readonly call: Call;
  grant(): void;
  refuse(error: InferError): void;
}

/** So long after somebody had to wait for a permit others want it too, in milliseconds, though at moments one is free. */
const CONTENDED_MS = 1000;

/** First come first served, until the queue stands: then the last come is served first, and who has waited long is let down. */
export function openLimiter(options: LimiterOptions): Limiter {
  const queue = openQueue<Entry>(Math.max(1, options.queue));
  const overload = openOverload();
  const pace = openPace();
  let running = 0;
  let contendedAt = Number.NEGATIVE_INFINITY;
  const free = () => Math.max(0, options.limit() - running);

  /** @param since when it began to wait; now where it did not */
  const permit = (call: Call, since?: number): Permit => {
    const startedAt = call.clock.now();
    let held = true;
    if (since !== undefined) contendedAt = startedAt;
    running += 1;
    return {
      waitedMs: startedAt - (since ?? startedAt),
      leave(outcome) {
        if (!held) return;
        held = false;
        running -= 1;
        if (outcome === "success") pace.learn(call.clock.now() - startedAt);
        serve();
      },
    };
  };
  const refusal = (reason: ShedReason, text: string): InferError => {
    options.shed(reason);
    return refusalOf(reason, text);
  };
  const refusalOf = (reason: ShedReason, text: string): InferError => {
    const { retryable } = options;
    return new InferError("overloaded", `${options.what} ${text}`, {
      retryable,
      retryAfterMs: pauseMs(),
      unsent: true,
      crowded: reason !== "late",
    });
  };
  /** Until those that wait now have run, as far as it is known. */
  const pauseMs = () => Math.max(100, Math.ceil((queue.size * pace.meanMs) / Math.max(1, options.limit())));
  const told = () => {
    if (queue.size === 0) overload.empty();
    options.waits(queue.size);
  };

  const shedStale = (now: number) => {
    for (let stale = queue.oldestOfLowest(); stale !== undefined; stale = queue.oldestOfLowest()) {
      const waitedMs = now - stale.since;
      if (waitedMs <= overload.patienceMs) return;
      queue.remove(stale);
      stale.refuse(refusal("overload", `has more work than it can do: waited ${round(waitedMs)} ms without a turn`));
    }
  };
  // every turn takes one out of the queue, so it ends
  const serve = () => {
    const before = queue.size;
    while (queue.size > 0 && free() > 0) {
      const oldest = queue.oldest();
      if (oldest === undefined) break;
      const now = oldest.call.clock.now();
      overload.note(now - oldest.since, { now, runMs: pace.meanMs, limit: options.limit() });
      if (overload.now) shedStale(now);
      const next = queue.take(overload.now);
      if (next === undefined) break;
      const leftMs = next.call.deadline - now;
      if (leftMs < pace.leastMs) next.refuse(refusal("late", tooLate({ waitMs: 0, runMs: pace.leastMs, leftMs })));
      else next.grant();
    }
    if (queue.size !== before) told();
  };

  /** Where the time left cannot suffice by what is known. */
  const tooLateToWait = (rows: number, call: Call): Refused | undefined => {
    const waitMs = overload.now ? 0 : (queue.ahead(seatOf(rows, call)) * pace.meanMs) / Math.max(1, options.limit());
    const leftMs = call.deadline - call.clock.now();
    if (leftMs >= waitMs + pace.leastMs) return undefined;
    return { reason: "late", text: tooLate({ waitMs, runMs: pace.leastMs, leftMs }) };
  };

  /** A run that comes too late would take its place from one that would not. While nothing runs there is something to learn by it. */
  const tooLateToRun = (call: Call): Refused | undefined => {
    const now = call.clock.now();
    if (running === 0 || now - contendedAt >= CONTENDED_MS) return undefined;
    const leftMs = call.deadline - now;
    if (leftMs >= pace.leastMs) return undefined;
    return { reason: "late", text: tooLate({ waitMs: 0, runMs: pace.leastMs, leftMs }) };
  };
  /** Why a newcomer is refused at once. */
  const judge = (rows: number, call: Call): Refused | undefined => {
    if (queue.size === 0 && free() > 0) return tooLateToRun(call);
    return options.queue === 0 ? { reason: "full", text: full(options) } : tooLateToWait(rows, call);
  };

  const wait = (rows: number, call: Call): Promise<Permit> =>
    new Promise((resolve, reject) => {
      const onAbort = () => {
        if (!queue.remove(entry)) return;
        told();
        reject(inQueue(abortReason(call.signal)));
      };
      const stop = () => call.signal.removeEventListener("abort", onAbort);
      const entry: Entry = {
        ...seatOf(rows, call),
        since: call.clock.now(),
        call,
        grant() {
          stop();
          resolve(permit(call, entry.since));
        },
        refuse(error) {
          stop();
          reject(error);
        },
      };
      call.signal.addEventListener("abort", onAbort, { once: true });
      const loser = queue.add(entry, overload.now);
      loser?.refuse(refusal(loser === entry ? "full" : "displaced", full(options)));
      if (loser !== entry) told();
    });

  return {
    get running() {
      return running;
    },
    get waiting() {
      return queue.size;
    },
    get free() {
      return queue.size > 0 ? 0 : free();
    },
    enter(rows, call) {
      checkCall(call);
      const refused = judge(rows, call);
      if (refused !== undefined) throw refusal(refused.reason, refused.text);
      return queue.size === 0 && free() > 0 ? permit(call) : wait(rows, call);
    },
    look(rows, call) {
      const refused = judge(rows, call);
      return refused && refusalOf(refused.reason, refused.text);
    },
  };
}

/** Who leaves the queue because its time is over was never sent: that says nothing of whoever it waited for. */
function inQueue(reason: InferError): InferError {
  if (reason.code !== "deadline-exceeded") return reason;
  return new InferError(reason.code, reason.message, { cause: reason, unsent: true });
}

function full({ limit, queue }: LimiterOptions): string {
  const waiting = queue === 0 ? "" : `, and ${queue} wait`;
  return `has ${Math.floor(limit())} calls, as many as it may${waiting}`;
}

function tooLate(times: { readonly waitMs: number; readonly runMs: number; readonly leftMs: number }): string {
  const { waitMs, runMs, leftMs } = times;
  return `needs about ${round(waitMs)} ms of waiting and ${round(runMs)} ms of work, and ${round(leftMs)} ms are left`;
}

function round(ms: number): number {
  return Math.max(0, Math.round(ms * 10) / 10);
}
