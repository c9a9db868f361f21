// Batching under a fake clock before servers whose runs take l(b) = a*b + B: the same in every run, on every machine.

import { openBench } from "../test/support/batch.ts";
import { randomFrom } from "./random.ts";

/** A server that runs one batch at a time. Milliseconds. */
export interface Served {
  readonly a: number;
  readonly B: number;
}

/** The most rows of a batch, of ours and of the peer's. */
const MOST_ROWS = 64;
/** What does not count at the beginning, while a run's cost is learned, and what does. */
const WARM_MS = 500;
const STEP_MS = 0.5;

export interface Offered {
  readonly servers: readonly Served[];
  /** Requests of one row a millisecond; they come as Poisson's do. */
  readonly perMs: number;
  readonly deadlineMs: number;
  readonly spanMs: number;
}

const runMs = ({ a, B }: Served, rows: number) => a * rows + B;

/** Rows a millisecond at most, in batches as large as they may be. */
export function capacityOf(server: Served): number {
  return MOST_ROWS / runMs(server, MOST_ROWS);
}

/** Requests answered in time, a millisecond. `words` are those of the config after `batch:`. */
export async function batchedGoodput(offered: Offered, words: object = {}): Promise<number> {
  const bench = openBench({
    places: offered.servers.map((server, i) => ({ id: `b/${i}`, serviceMs: (rows) => runMs(server, rows) })),
    words: { maxRows: MOST_ROWS, maxQueue: 4096, ...words },
  });
  const arrivals = arrivalsOf(offered);
  let at = 0;
  let good = 0;
  for (let now = 0; now < WARM_MS + offered.spanMs; now += STEP_MS) {
    for (; (arrivals[at] ?? Number.POSITIVE_INFINITY) < now; at += 1) {
      const counts = now >= WARM_MS ? 1 : 0;
      const { answer } = bench.ask([1], { timeoutMs: offered.deadlineMs });
      answer.then(
        () => {
          good += counts;
        },
        () => {},
      );
    }
    await bench.pass(STEP_MS);
  }
  return good / offered.spanMs;
}

/**
 * As a peer does: a batch begins when the server is free and its first request has waited for `delayMs`, or when it is full,
 * with all that wait then, whoever of them has been given up meanwhile.
 */
export function fixedDelayGoodput(offered: Offered, delayMs: number): number {
  const [server] = offered.servers;
  if (server === undefined) return 0;
  const arrivals = arrivalsOf(offered);
  let freeAt = 0;
  let good = 0;
  for (let from = 0; from < arrivals.length; ) {
    const fullAt = arrivals[from + MOST_ROWS - 1] ?? Number.POSITIVE_INFINITY;
    const startAt = Math.max(freeAt, Math.min((arrivals[from] as number) + delayMs, fullAt));
    let to = from;
    while (to < arrivals.length && to - from < MOST_ROWS && (arrivals[to] as number) <= startAt) to += 1;
    freeAt = startAt + runMs(server, to - from);
    for (const came of arrivals.slice(from, to)) if (came >= WARM_MS && freeAt <= came + offered.deadlineMs) good += 1;
    from = to;
  }
  return good / offered.spanMs;
}

function arrivalsOf({ perMs, spanMs }: Offered): readonly number[] {
  const random = randomFrom(5);
  const arrivals: number[] = [];
  for (let at = 0; at < WARM_MS + spanMs; at += -Math.log(1 - random()) / perMs) arrivals.push(at);
  return arrivals;
}
