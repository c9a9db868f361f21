// One worker as the pool sees it: what runs in it, what waits there, and what it was asked.

import { InferError } from "../../core/error.ts";
import type { Job } from "./job.ts";
import type { FromWorker, SessionFacts, ToWorker } from "./messages.ts";
import type { Ending, WorkerPort } from "./port.ts";

/** Something to do between runs, answered by `done` or `failed`. */
export type Ask =
  | Omit<Extract<ToWorker, { type: "load" }>, "ask">
  | { readonly type: "unload"; readonly session: string }
  | { readonly type: "hash"; readonly paths: readonly string[] };

export interface Done {
  readonly facts?: SessionFacts;
  readonly hash?: string;
}

export interface Link {
  /** Counts up over all workers that the pool ever had. */
  readonly id: number;
  readonly port: WorkerPort;
  /** `lost`: it may still be inside a run, but gets nothing more and is not counted on. */
  state: "starting" | "ready" | "lost" | "ended";
  /** Resolves when it is ready; rejects when it ends before. */
  readonly started: Promise<void>;
  readonly startedAt: number;
  /** The sessions that it can run. */
  readonly sessions: Set<string>;
  /** Those, and the ones it is getting. */
  readonly loads: Map<string, Promise<SessionFacts>>;
  running: Job | undefined;
  waiting: Job | undefined;
  /** Loads under way: meanwhile it is given no runs, which would wait behind them. */
  controls: number;
  /** Takes back the timer that looks how long its run takes. */
  stopTimer: (() => void) | undefined;
  ask(ask: Ask): Promise<Done>;
}

export interface LinkEvents {
  ready(link: Link): void;
  ran(link: Link, message: Extract<FromWorker, { type: "answered" | "refused" }>): void;
  skipped(buffer: ArrayBuffer | undefined): void;
  ended(link: Link, ending: Ending): void;
}

/** @param now when it was spawned, on the monotonic clock */
export function openLink(
  id: number,
  port: WorkerPort,
  { events, now }: { readonly events: LinkEvents; readonly now: number },
): Link {
  const asked = new Map<number, { resolve(done: Done): void; reject(error: InferError): void }>();
  let lastAsk = 0;
  const started = Promise.withResolvers<void>();
  started.promise.catch(() => {});
  const link: Link = {
    id,
    port,
    state: "starting",
    started: started.promise,
    startedAt: now,
    sessions: new Set(),
    loads: new Map(),
    running: undefined,
    waiting: undefined,
    controls: 0,
    stopTimer: undefined,
    ask(ask) {
      if (link.state === "ended" || link.state === "lost") return Promise.reject(lostWhile(ask, "it has ended"));
      lastAsk += 1;
      const number = lastAsk;
      return new Promise<Done>((resolve, reject) => {
        asked.set(number, { resolve, reject });
        port.post({ ...ask, ask: number } as ToWorker);
      });
    },
  };
  port.onMessage((message) => {
    switch (message.type) {
      case "started":
        if (link.state === "starting") link.state = "ready";
        started.resolve();
        events.ready(link);
        return;
      case "done":
        asked.get(message.ask)?.resolve(message);
        asked.delete(message.ask);
        return;
      case "failed":
        asked.get(message.ask)?.reject(new InferError(message.code, message.reason));
        asked.delete(message.ask);
        return;
      case "skipped":
        events.skipped(message.buffer);
        return;
      case "answered":
      case "refused":
        events.ran(link, message);
        return;
      default: {
        const never: never = message;
        throw new Error(`unknown message ${JSON.stringify(never)}`);
      }
    }
  });
  port.onEnd((ending) => {
    const lost = new InferError("unavailable", `a worker was lost while it loaded the model: ${ending.reason}`, {
      retryable: "later",
    });
    started.reject(lost);
    for (const { reject } of asked.values()) reject(lost);
    asked.clear();
    events.ended(link, ending);
  });
  return link;
}

/** Whether it may be given runs. */
export function isAble({ state, controls }: Link): boolean {
  return state === "ready" && controls === 0;
}

/** How long its run has been under way, in milliseconds. */
export function ranFor({ running }: Link, now: number): number {
  return now - (running?.startedAt ?? now);
}

function lostWhile(ask: Ask, why: string): InferError {
  return new InferError("unavailable", `a worker cannot ${ask.type}: ${why}`, { retryable: "later" });
}
