// The one door to time and chance: the process's own clock, random numbers, and the Env made of them.

import { availableParallelism, totalmem } from "node:os";
import type { Clock, Env, Log } from "../core/env.ts";
import type { Event } from "../core/event.ts";

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, callback) {
    // setTimeout takes 31 bits; a longer wait than 24 days is no wait at all for a gateway
    const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export function systemEnv(parts: { readonly log: Log; readonly emit: (event: Event) => void }): Env {
  return { clock: systemClock, random: Math.random, emit: parts.emit, log: parts.log };
}

/** Bytes of memory this process may use: the container's limit where there is one, else the machine's memory. */
export function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}

export function cores(): number {
  return availableParallelism();
}
