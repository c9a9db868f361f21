// A bounded set of connections and a line of those who wait for one, first come first served.

import { openChain } from "../core/chain.ts";
import { InferError } from "../core/error.ts";

export interface LanesOptions<L> {
  /** Lanes at most. */
  readonly lanes: number;
  /** Users of one lane at a time. */
  readonly each: number;
  /** Waiting users at most; one more is refused. */
  readonly waiting: number;
  open(): L;
}

export interface Lanes<L> {
  /**
   * Calls `use` with a lane: at once when one is free, else when its turn comes. The lane used last is used first, so
   * that idle connections grow old together and are closed.
   *
   * @returns how to leave the line; harmless once `use` was called
   * @throws InferError overloaded when the line is full
   */
  take(use: (lane: L) => void): () => void;
  /** Gives a lane back; the first who waits has it at once. */
  give(lane: L): void;
  /** All that were ever opened. */
  readonly all: readonly L[];
}

/** Opens no lane before it is needed, and keeps each for good. */
export function openLanes<L>(options: LanesOptions<L>): Lanes<L> {
  const all: L[] = [];
  const users = new Map<L, number>();
  const idle: L[] = [];
  const waiting = openChain<(lane: L) => void>();

  const fresh = () => {
    if (all.length >= options.lanes) return undefined;
    const lane = options.open();
    all.push(lane);
    return lane;
  };
  const shared = () => {
    if (options.each === 1) return undefined;
    let best: L | undefined;
    let least = options.each;
    for (const [lane, count] of users) {
      if (count >= least) continue;
      best = lane;
      least = count;
    }
    return best;
  };
  const lend = (lane: L, use: (lane: L) => void) => {
    users.set(lane, (users.get(lane) ?? 0) + 1);
    use(lane);
  };

  return {
    all,
    take(use) {
      const lane = idle.pop() ?? fresh() ?? shared();
      if (lane !== undefined) {
        lend(lane, use);
        return () => {};
      }
      if (waiting.size() >= options.waiting) {
        throw new InferError("overloaded", `${waiting.size()} requests wait for a connection to the backend already`, {
          retryable: "elsewhere",
        });
      }
      const place = waiting.add(use);
      return () => void waiting.remove(place);
    },
    give(lane) {
      const left = (users.get(lane) ?? 1) - 1;
      users.set(lane, left);
      const next = waiting.shift();
      if (next !== undefined) return lend(lane, next);
      if (left === 0) idle.push(lane);
    },
  };
}
