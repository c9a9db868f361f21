// How much is taken in during one turn of the event loop: bytes of bodies, and requests, so that neither holds it.

import type { Clock } from "../core/env.ts";

/** Bytes of all bodies together; a socket alone may bring up to 2 MiB in one go. */
const TURN_BYTES = 256 * 1024;
/** Once the requests of a turn have taken this long, the next ones wait for another turn, in milliseconds. */
const TURN_MS = 0.75;

export interface Intake {
  /** Counts bytes taken in this turn: true when it has had its share, and the rest should wait for the next. */
  took(bytes: number): boolean;
  /** Whether a request that has just come should wait for the next turn. */
  crowded(): boolean;
  nextTurn(): Promise<void>;
}

export function openIntake(clock: Clock): Intake {
  let bytesTaken = 0;
  let startedAt: number | undefined;
  let scheduled = false;
  let waiting: (() => void)[] = [];
  const turn = () => {
    scheduled = false;
    bytesTaken = 0;
    startedAt = undefined;
    const resumed = waiting;
    waiting = [];
    // one after the other through the same gate: those that it does not let in wait again
    for (const resume of resumed) resume();
  };
  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(turn);
  };
  return {
    took(bytes) {
      bytesTaken += bytes;
      schedule();
      return bytesTaken > TURN_BYTES;
    },
    crowded() {
      const now = clock.now();
      startedAt ??= now;
      schedule();
      return now - startedAt > TURN_MS;
    },
    nextTurn() {
      schedule();
      return new Promise((resolve) => waiting.push(resolve));
    },
  };
}
