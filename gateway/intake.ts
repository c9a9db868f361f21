// How much is taken in during one turn of the event loop: bytes of bodies, and requests, so that neither holds it.

import type { Clock } from "../core/env.ts";

/** Bytes of all bodies together, copied in a fraction of a millisecond; a socket alone may bring up to 2 MiB in one go. */
const TURN_BYTES = 1024 * 1024;
/** Once the requests of a turn have taken this long, the next ones wait for another turn, in milliseconds. */
const TURN_MS = 0.75;
/** More than a turn can take of those that wait to be let in: the others are not woken for nothing. */
const TURN_REQUESTS = 32;
/** Once the oldest has waited so long the last come is let in first, in milliseconds: its client still waits. Source: CoDel's interval. */
const STANDS_MS = 100;
/** Source: the default of `limits.lag`. */
const PATIENCE_MS = 500;

export interface Intake {
  /** When this turn began, on the monotonic clock: whatever is found in it had come by then, and waited for what was found before. */
  began(): number;
  /** Counts bytes taken in this turn: true when it has had its share, and the rest should wait for the next. */
  took(bytes: number): boolean;
  /** Whether this turn has had its share of requests and answers. */
  crowded(): boolean;
  nextTurn(): Promise<void>;
  /**
   * Resolves when a request that came at `since` may try again: first come first served, until the queue stands. It asks
   * `crowded` again by itself, so that its work counts before the next one asks.
   *
   * @returns true where it has waited too long and is to be refused
   */
  wait(since: number): Promise<boolean>;
}

interface Entry {
  readonly since: number;
  /** @param isLate whether it waits no longer */
  resume(isLate: boolean): void;
}

export interface IntakeOptions {
  readonly clock: Clock;
  /** How often the event loop has gone round: what tells one turn from the next without a callback in each. */
  readonly loops: () => number;
  /** Who has waited longer to be let in is let down, in milliseconds: what is late by so much helps nobody. */
  readonly patienceMs?: number;
}

export function openIntake({ clock, loops, patienceMs = PATIENCE_MS }: IntakeOptions): Intake {
  let bytesTaken = 0;
  let startedAt: number | undefined;
  /** The last round of the loop that belongs to this turn. */
  let last = loops();
  let scheduled = false;
  let waiting: (() => void)[] = [];
  /** By the time at which they came. */
  const queue: Entry[] = [];
  const letIn = () => {
    const now = clock.now();
    const waited = () => now - (queue[0]?.since ?? now);
    for (let i = 0; i < TURN_REQUESTS && waited() > patienceMs; i += 1) queue.shift()?.resume(true);
    const stands = waited() > STANDS_MS;
    for (let i = 0; i < TURN_REQUESTS; i += 1) (stands ? queue.pop() : queue.shift())?.resume(false);
    if (queue.length > 0) schedule();
  };
  const turn = () => {
    scheduled = false;
    // what is resumed at the end of a round has its share together with what the next round finds
    begin(loops() + 1);
    const resumed = waiting;
    waiting = [];
    // one after the other through the same gate: those that it does not let in wait again
    for (const resume of resumed) resume();
    // behind the answers: what is begun is ended first
    letIn();
  };
  const begin = (round: number) => {
    last = round;
    bytesTaken = 0;
    startedAt = undefined;
  };
  const look = () => {
    const round = loops();
    if (round > last) begin(round);
  };
  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(turn);
  };
  const began = () => {
    look();
    startedAt ??= clock.now();
    return startedAt;
  };
  const crowded = () => clock.now() - began() > TURN_MS;
  return {
    began,
    took(bytes) {
      look();
      bytesTaken += bytes;
      return bytesTaken > TURN_BYTES;
    },
    crowded,
    nextTurn() {
      schedule();
      return new Promise((resolve) => waiting.push(resolve));
    },
    wait(since) {
      schedule();
      return new Promise((resume) => queue.splice(placeOf(queue, since), 0, { since, resume }));
    },
  };
}

/** Behind all that came before it or with it. */
function placeOf(queue: readonly Entry[], since: number): number {
  let low = 0;
  let high = queue.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((queue[middle]?.since ?? 0) <= since) low = middle + 1;
    else high = middle;
  }
  return low;
}
