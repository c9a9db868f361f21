// The pool's slots as a batcher sees them: how many runs could start now, and a line of those who wait for one.

import type { Lease, Slots } from "../../core/backend.ts";
import { abortReason, type Call, checkCall } from "../../core/call.ts";
import { openChain } from "../../core/chain.ts";
import { InferError } from "../../core/error.ts";

export interface OpenSlots extends Slots {
  /** To be said whenever a slot may have become free. */
  changed(): void;
}

export interface SlotSource {
  /** Workers that could run something now or after what they run. */
  capacity(): number;
  /** Calls that have a worker or wait for one. */
  inFlight(): number;
  readonly maxWaiting: number;
}

/**
 * A caller with a lease makes its call while it holds it, so a lease and its call are one use of a slot, not two; calls
 * made without leases use slots as well.
 */
export function openSlots(source: SlotSource): OpenSlots {
  const waiting = openChain<() => void>();
  const listeners = new Set<() => void>();
  let leases = 0;
  const free = () => Math.max(0, source.capacity() - Math.max(leases, source.inFlight()));

  const lease = (): Lease => {
    leases += 1;
    let held = true;
    return {
      release() {
        if (!held) return;
        held = false;
        leases -= 1;
        slots.changed();
      },
    };
  };

  const wait = (call: Call): Promise<Lease> =>
    new Promise((resolve, reject) => {
      const grant = () => {
        waiting.remove(place);
        call.signal.removeEventListener("abort", onAbort);
        resolve(lease());
      };
      const onAbort = () => {
        waiting.remove(place);
        reject(abortReason(call.signal));
      };
      const place = waiting.add(grant);
      call.signal.addEventListener("abort", onAbort, { once: true });
    });

  const slots: OpenSlots = {
    exact: true,
    get free() {
      return free();
    },
    get busy() {
      return Math.max(leases, source.inFlight());
    },
    async take(_rows, call) {
      checkCall(call);
      if (waiting.size() === 0 && free() > 0) return lease();
      if (waiting.size() >= source.maxWaiting) {
        throw new InferError("overloaded", `${waiting.size()} calls wait for a slot already`);
      }
      return wait(call);
    },
    onFree(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    changed() {
      // each takes itself out
      for (let grant = waiting.first(); grant !== undefined; grant = waiting.first()) {
        if (free() === 0) return;
        grant();
      }
      if (free() > 0) for (const listener of listeners) listener();
    },
  };
  return slots;
}
