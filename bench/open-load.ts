// An open-loop client: requests begin when their time has come, whatever became of those before, and latency counts from then.

import { GAVE_UP, NO_ANSWER, type OpenConnection, openConnection } from "./open-connection.ts";
import { randomFrom } from "./random.ts";

/** What is asked, drawn evenly from those of its phase. */
export interface TimedAsk {
  /** A whole HTTP request. */
  readonly bytes: Uint8Array;
  /** After this the client has no use for an answer, and a little later it leaves. */
  readonly deadlineMs: number;
}

export interface Phase {
  readonly forMs: number;
  readonly perSecond: number;
  readonly asks: readonly TimedAsk[];
}

export interface OpenLoad {
  readonly port: number;
  /** One after the other. */
  readonly phases: readonly Phase[];
  readonly seed: number;
  /** By the wall clock; at once where nothing is said. */
  readonly startAt?: number;
}

/** A row for each request, in the order of their times: all columns are of the same length. */
export interface OpenFacts {
  /** When it was to begin, in milliseconds since the start. */
  readonly atMs: Float64Array;
  /** From that time to its end. */
  readonly tookMs: Float64Array;
  readonly deadlineMs: Float64Array;
  /** Of HTTP, or why there is none: NO_ANSWER or GAVE_UP. */
  readonly status: Uint16Array;
}

/** How long after a deadline its client leaves, in milliseconds: a refusal that is a little late is still heard. */
const GRACE_MS = 100;
/** Connections at once; requests beyond wait here, and their time counts. */
const MAX_CONNECTIONS = 8192;

/** Arrivals are those of a Poisson process of the seed: the same for all arms. Waits for what is under way. */
export function runOpenLoad(load: OpenLoad): Promise<OpenFacts> {
  const due = arrivalsOf(load);
  const facts: OpenFacts = {
    atMs: Float64Array.from(due, ({ atMs }) => atMs),
    tookMs: new Float64Array(due.length),
    deadlineMs: Float64Array.from(due, ({ ask }) => ask.deadlineMs),
    status: new Uint16Array(due.length),
  };
  const free: OpenConnection[] = [];
  const all = new Set<OpenConnection>();
  const waiting: number[] = [];
  const startedAt = performance.now() + ((load.startAt ?? Date.now()) - Date.now());
  let next = 0;
  let left = due.length;
  const { promise, resolve } = Promise.withResolvers<OpenFacts>();

  const send = (row: number) => {
    const { ask, atMs } = due[row] as Due;
    const connection = free.pop() ?? dial();
    connection.exchange(ask.bytes, (status) => {
      clearTimeout(leaving);
      facts.status[row] = status;
      facts.tookMs[row] = performance.now() - startedAt - atMs;
      left -= 1;
      const more = waiting.shift();
      if (more !== undefined) send(more);
      if (left === 0) end();
    });
    const leaveMs = startedAt + atMs + ask.deadlineMs + GRACE_MS - performance.now();
    const leaving = setTimeout(() => connection.leave(GAVE_UP), Math.max(0, leaveMs));
  };
  const dial = () => {
    const connection = openConnection(load.port, {
      idle: () => free.push(connection),
      closed: () => {
        all.delete(connection);
        const at = free.indexOf(connection);
        if (at >= 0) free.splice(at, 1);
      },
    });
    all.add(connection);
    return connection;
  };
  const begin = () => {
    const now = performance.now() - startedAt;
    for (; next < due.length && (due[next] as Due).atMs <= now; next += 1) {
      if (all.size - free.length < MAX_CONNECTIONS) send(next);
      else waiting.push(next);
    }
    if (next < due.length) setTimeout(begin, Math.max(0, (due[next] as Due).atMs - now));
  };
  const end = () => {
    for (const connection of all) connection.leave(NO_ANSWER);
    resolve(facts);
  };
  if (left === 0) end();
  else begin();
  return promise;
}

interface Due {
  readonly atMs: number;
  readonly ask: TimedAsk;
}

function arrivalsOf({ phases, seed }: OpenLoad): readonly Due[] {
  const random = randomFrom(seed);
  const due: Due[] = [];
  let from = 0;
  for (const { forMs, perSecond, asks } of phases) {
    const gap = () => (-Math.log(1 - random()) * 1000) / perSecond;
    for (let atMs = from + gap(); atMs < from + forMs; atMs += gap()) {
      const ask = asks[Math.floor(random() * asks.length)];
      if (ask !== undefined) due.push({ atMs, ask });
    }
    from += forMs;
  }
  return due;
}
