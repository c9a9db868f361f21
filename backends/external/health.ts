// Whether one server is healthy: asked again and again, one question at a time, and sooner when a call has failed.

import { unlessAborted } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { asInferError, InferError } from "../../core/error.ts";
import { formatDuration } from "../../core/units.ts";
import type { HealthWords } from "./words.ts";

export interface HealthOptions {
  readonly words: HealthWords;
  readonly env: Pick<Env, "clock" | "random">;
  /** Asks the server how it is; it throws when the server is not well. */
  ask(signal: AbortSignal): Promise<void>;
  /** Looks at what a server that is well has. What it throws counts only as long as the server is not healthy. */
  look(signal: AbortSignal): Promise<void>;
  /** The state has changed, or is known for the first time. */
  changed(healthy: boolean, reason: string | undefined): void;
  /** Looks fail from now on, or for another reason, though the server is healthy: what was seen before stays. */
  blind(reason: string): void;
}

/** The health of one endpoint. */
export interface Health {
  readonly healthy: boolean;
  /** A call could not reach the server, or lost it: asks now, but no more often than a failing endpoint is asked. */
  suspect(): void;
  /** Looks now, or again after the look that is going on; resolves when that has ended, well or not. */
  lookNow(): Promise<void>;
  close(): void;
}

/** A look may take this many times as long as the question before it: lists are longer than a word. */
const LOOK_SHARE = 5;
/** An endpoint in doubt is asked this many times as often. */
const DOUBT_SHARE = 5;
/** Each wait is longer or shorter by up to this share, so that many endpoints are not asked at once. */
const JITTER = 0.1;

/**
 * The first question goes out at once, and the first good answer ever makes the endpoint healthy. Failures seen by calls
 * bring it to the brink, and the question that they cause decides: a server that answers it stays. Who is on the brink,
 * or on the way back, is asked more often.
 */
export function openHealth(options: HealthOptions): Health {
  const { words, env, changed } = options;
  const doubtMs = words.every / DOUBT_SHARE;
  let state: "unknown" | "healthy" | "unhealthy" = "unknown";
  let everHealthy = false;
  let good = 0;
  let bad = 0;
  let startedAt = Number.NEGATIVE_INFINITY;
  let running: AbortController | undefined;
  let blindness: string | undefined;
  let again = false;
  let suspected = false;
  let closed = false;
  let stopTimer = () => {};
  /** Those who wait for the end of the next question. */
  let waiting: (() => void)[] = [];

  const turn = (healthy: boolean, reason?: string) => {
    const next = healthy ? "healthy" : "unhealthy";
    if (state === next) return;
    state = next;
    everHealthy ||= healthy;
    changed(healthy, reason);
  };
  const judge = (fault: InferError | undefined) => {
    if (fault === undefined) {
      good += 1;
      bad = 0;
      if (!everHealthy || good >= words.healthyAfter) turn(true);
      return;
    }
    good = 0;
    bad += 1;
    if (state === "unknown" || bad >= words.unhealthyAfter) turn(false, fault.message);
  };
  const check = async () => {
    stopTimer();
    suspected = false;
    running = new AbortController();
    startedAt = env.clock.now();
    const told = waiting;
    waiting = [];
    const fault = await question(running.signal);
    running = undefined;
    if (!closed) judge(fault);
    for (const tell of told) tell();
    if (closed) return;
    const now = again;
    again = false;
    if (now) void check();
    else wait();
  };
  const question = async (signal: AbortSignal): Promise<InferError | undefined> => {
    try {
      await limited(env, { limitMs: words.timeout, signal, work: options.ask });
    } catch (error) {
      return asInferError(error);
    }
    try {
      await limited(env, { limitMs: words.timeout * LOOK_SHARE, signal, work: options.look });
    } catch (error) {
      if (state !== "healthy") return asInferError(error);
      const reason = asInferError(error).message;
      if (!closed && reason !== blindness) options.blind(reason);
      blindness = reason;
      return undefined;
    }
    blindness = undefined;
    return undefined;
  };
  const wait = () => {
    const doubtful = state === "healthy" ? bad > 0 : good > 0;
    later((doubtful ? doubtMs : words.every) * (1 + JITTER * (2 * env.random() - 1)));
  };
  const later = (ms: number) => {
    stopTimer();
    stopTimer = env.clock.after(ms, () => void check());
  };

  void check();
  return {
    get healthy() {
      return state === "healthy";
    },
    suspect() {
      if (closed || suspected || running !== undefined || state !== "healthy") return;
      suspected = true;
      bad = Math.max(bad, words.unhealthyAfter - 1);
      later(Math.max(0, startedAt + doubtMs - env.clock.now()));
    },
    lookNow() {
      if (closed) return Promise.resolve();
      return new Promise((resolve) => {
        waiting.push(resolve);
        if (running !== undefined) again = true;
        else void check();
      });
    },
    close() {
      closed = true;
      for (const tell of waiting) tell();
      stopTimer();
      running?.abort(new InferError("cancelled", "the endpoint is closed"));
    },
  };
}

interface Limited {
  readonly limitMs: number;
  readonly signal: AbortSignal;
  work(signal: AbortSignal): Promise<void>;
}

/** The work's own signal ends with the limit or with the signal above it, whichever comes first. */
async function limited(env: Pick<Env, "clock">, { limitMs, signal, work }: Limited): Promise<void> {
  const controller = new AbortController();
  const stop = () => controller.abort(signal.reason);
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  const stopTimer = env.clock.after(limitMs, () =>
    controller.abort(new InferError("unavailable", `no answer to a health check within ${formatDuration(limitMs)}`)),
  );
  try {
    await unlessAborted(work(controller.signal), controller.signal);
  } finally {
    stopTimer();
    signal.removeEventListener("abort", stop);
  }
}
