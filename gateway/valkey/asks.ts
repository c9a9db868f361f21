// Keeps the gateway from waiting on the shared store: a time-out for each ask, a bound on asks in flight, a breaker over all.

import type { Clock, Env } from "../../core/env.ts";

/** What came of an ask; `skipped` never left the gateway. */
export type Asked = "answered" | "failed" | "late" | "skipped";

export interface AsksOptions {
  readonly clock: Clock;
  readonly random: Env["random"];
  /** How long one ask may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Asks whose answers are not there yet, those that nobody waits for any longer among them. */
  readonly maxInFlight: number;
  /** Calls back once what has come in by now was read: a loop that was busy must not take its own delay for the store's. */
  readonly afterReading: (callback: () => void) => void;
  /** Hears of every ask once. */
  readonly noted: (asked: Asked) => void;
  /** The store has failed too often and is left alone for a while. */
  readonly tripped: (reason: unknown) => void;
  /** It answers again. */
  readonly recovered: () => void;
}

/** Asks of the shared store. */
export interface Asks {
  /** Whether an ask would be sent now. */
  available(): boolean;
  /** What the work resolves to; undefined when it fails, takes too long, or is not worth trying now. Never rejects. */
  ask<T>(work: () => Promise<T>): Promise<T | undefined>;
  close(): void;
}

/** A failure counts 1, and an answer takes half a one back: more than a third of failures in the long run trips it. */
const TRIP_AT = 5;
const FORGIVEN = 0.5;
/** How long it stays away after the first trip; twice as long after each failed probe, up to the last. */
const OPEN_MS = 1_000;
const OPEN_MAX_MS = 15_000;

type State =
  | { readonly is: "closed" }
  /** One ask is let through to see, once `until` has come. */
  | { readonly is: "open"; readonly until: number; readonly openMs: number; probing: boolean };

/**
 * A state machine of its own and not opossum: an ask that comes too late must give its answer at once and yet go on counting
 * as in flight, and what trips is one connection, with nothing to choose instead.
 */
export function openAsks(options: AsksOptions): Asks {
  const { clock, timeoutMs, maxInFlight, noted } = options;
  let state: State = { is: "closed" };
  let score = 0;
  let inFlight = 0;
  let closed = false;

  const open = (openMs: number) => {
    // replicas that lost the same store do not come back in one moment
    const until = clock.now() + openMs * (0.8 + 0.4 * options.random());
    state = { is: "open", until, openMs, probing: false };
  };
  const failed = (isProbe: boolean, reason: unknown) => {
    if (state.is === "open") {
      // what was sent before the trip says nothing new; a failed probe does
      if (isProbe) open(Math.min(state.openMs * 2, OPEN_MAX_MS));
      return;
    }
    score += 1;
    if (score < TRIP_AT) return;
    open(OPEN_MS);
    options.tripped(reason);
  };
  const answered = (isProbe: boolean) => {
    if (state.is === "closed") {
      score = Math.max(0, score - FORGIVEN);
      return;
    }
    // an answer from before the trip is no sign that it is well again
    if (!isProbe) return;
    state = { is: "closed" };
    score = 0;
    options.recovered();
  };
  const available = () => {
    if (closed || inFlight >= maxInFlight) return false;
    return state.is === "closed" || (!state.probing && clock.now() >= state.until);
  };

  return {
    available,
    ask(work) {
      if (!available()) {
        noted("skipped");
        return Promise.resolve(undefined);
      }
      const isProbe = state.is === "open";
      if (state.is === "open") state.probing = true;
      inFlight += 1;
      return new Promise((resolve) => {
        let settled = false;
        const settle = (how: Asked, value: Parameters<typeof resolve>[0], reason?: unknown) => {
          if (settled) return;
          settled = true;
          stopTimer();
          noted(how);
          if (how === "answered") answered(isProbe);
          else failed(isProbe, reason);
          resolve(value);
        };
        const late = () => settle("late", undefined, new Error(`no answer within ${timeoutMs} ms`));
        const stopTimer = clock.after(timeoutMs, () => options.afterReading(late));
        const done = () => {
          inFlight -= 1;
        };
        work().then(
          (value) => {
            done();
            settle("answered", value);
          },
          (error: unknown) => {
            done();
            settle("failed", undefined, error);
          },
        );
      });
    },
    close() {
      closed = true;
    },
  };
}
