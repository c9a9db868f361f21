// How many calls one server has at once: a limit, fixed or adaptive, and a bounded queue of those who wait for their turn.

import type { Lease, Slots } from "../../core/backend.ts";
import { type Call, checkCall } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { InferError } from "../../core/error.ts";
import { openLimiter, type Permit } from "../../core/limit/limiter.ts";
import type { Outcome } from "../../core/outcome.ts";
import type { InferRequest } from "../../core/request.ts";
import { openAdaptive } from "./adaptive.ts";
import type { LimitWords } from "./words.ts";

/** The slots of one endpoint. */
export interface CallSlots extends Slots {
  /**
   * Counts a call in; `leave` of the permit counts it out, and twice is harmless.
   *
   * @throws InferError overloaded, to be tried elsewhere, when the endpoint has as many as it may; the call's abort reason
   */
  enter(rows: number, call: Call): Permit | Promise<Permit>;
  /** Resolves when no call is left; at once when there is none. */
  idle(): Promise<void>;
}

export interface SlotsOptions {
  readonly env: Env;
  readonly backend: string;
  /** The endpoint's id. */
  readonly endpoint: string;
  /** Never more calls at once than these. */
  readonly most: number;
  /** The limit within `most`, and its queue; without it `most` is the limit, and nobody waits. */
  readonly limit?: LimitWords | undefined;
}

/**
 * A caller with a lease makes its call while it holds it, so a lease and its call are one use of a slot, not two; calls
 * made without leases use slots as well. Only calls wait.
 */
export function openSlots({ env, backend, endpoint, most, limit }: SlotsOptions): CallSlots {
  const listeners = new Set<() => void>();
  const idlers = new Set<() => void>();
  const of = { at: "endpoint", backend, endpoint } as const;
  const adaptive = limit?.concurrency === "adaptive" ? openAdaptive(env.clock, most) : undefined;
  const fixed = typeof limit?.concurrency === "number" ? Math.min(limit.concurrency, most) : most;
  const limitNow = () => adaptive?.limit ?? fixed;
  let leases = 0;
  const limiter = openLimiter({
    what: "the endpoint",
    limit: limitNow,
    queue: limit?.queue ?? 0,
    retryable: "elsewhere",
    shed: (reason) => env.emit({ type: "shed", of, reason }),
    waits: (waiting) => env.emit({ type: "limit-queue", of, waiting }),
  });
  if (limit !== undefined) env.emit({ type: "limit", of, limit: limitNow() });
  const busy = () => Math.max(leases, limiter.running);
  const free = () => Math.max(0, Math.min(limiter.free, limitNow() - leases));

  const freed = () => {
    if (free() > 0) for (const listener of listeners) listener();
    if (limiter.running > 0 || limiter.waiting > 0) return;
    for (const idler of idlers) idler();
    idlers.clear();
  };
  const sample = (ranMs: number, rows: number, outcome: Outcome) => {
    if (adaptive === undefined || outcome === "ignored") return;
    const before = limitNow();
    adaptive.sample({ ranMs, rows, running: limiter.running, failed: outcome === "failure" });
    if (limitNow() === before) return;
    env.emit({ type: "limit", of, limit: limitNow() });
  };
  const counted = (permit: Permit, rows: number): Permit => {
    const startedAt = env.clock.now();
    return {
      waitedMs: permit.waitedMs,
      leave: once((outcome) => {
        // while it is counted in
        sample(env.clock.now() - startedAt, rows, outcome);
        permit.leave(outcome);
        freed();
      }),
    };
  };

  return {
    get free() {
      return free();
    },
    get busy() {
      return busy() + limiter.waiting;
    },
    async take(_rows, call): Promise<Lease> {
      checkCall(call);
      if (free() === 0) {
        const text = `the endpoint has ${busy()} calls, as many as it may`;
        throw new InferError("overloaded", text, { retryable: "elsewhere" });
      }
      leases += 1;
      const release = once(() => {
        leases -= 1;
        freed();
      });
      return { release };
    },
    onFree(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    enter(rows, call) {
      const permit = limiter.enter(rows, call);
      return permit instanceof Promise ? permit.then((one) => counted(one, rows)) : counted(permit, rows);
    },
    idle() {
      if (limiter.running === 0 && limiter.waiting === 0) return Promise.resolve();
      return new Promise((resolve) => idlers.add(resolve));
    },
  };
}

/** How much a call asks for, where its first input tells: a limit learns what one row takes. */
export function rowsOf(request: InferRequest): number {
  return Math.max(1, request.inputs[0]?.shape[0] ?? 1);
}

function once<A extends readonly unknown[]>(action: (...args: A) => void): (...args: A) => void {
  let done = false;
  return (...args) => {
    if (done) return;
    done = true;
    action(...args);
  };
}
