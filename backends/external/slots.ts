// How many calls one server has at once: a count with a limit and no queue.

import type { Lease, Slots } from "../../core/backend.ts";
import { checkCall } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";

/** The slots of one endpoint. */
export interface CallSlots extends Slots {
  /**
   * Counts a call in; the answer counts it out, and twice is harmless.
   *
   * @throws InferError overloaded, to be tried elsewhere, when the endpoint has as many as it may
   */
  enter(): () => void;
  /** Resolves when no call is left; at once when there is none. */
  idle(): Promise<void>;
}

/**
 * A caller with a lease makes its call while it holds it, so a lease and its call are one use of a slot, not two; calls
 * made without leases use slots as well.
 */
export function openSlots(limit: number): CallSlots {
  const listeners = new Set<() => void>();
  const idlers = new Set<() => void>();
  let leases = 0;
  let calls = 0;
  const busy = () => Math.max(leases, calls);
  const refuse = () => {
    const text = `the endpoint has ${busy()} calls, as many as it may (limits.inFlight)`;
    return new InferError("overloaded", text, { retryable: "elsewhere" });
  };
  const freed = () => {
    if (busy() < limit) for (const listener of listeners) listener();
    if (calls > 0) return;
    for (const idler of idlers) idler();
    idlers.clear();
  };
  return {
    get free() {
      return Math.max(0, limit - busy());
    },
    get busy() {
      return busy();
    },
    async take(_rows, call): Promise<Lease> {
      checkCall(call);
      if (busy() >= limit) throw refuse();
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
    enter() {
      if (calls >= limit) throw refuse();
      calls += 1;
      return once(() => {
        calls -= 1;
        freed();
      });
    },
    idle() {
      if (calls === 0) return Promise.resolve();
      return new Promise((resolve) => idlers.add(resolve));
    },
  };
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
