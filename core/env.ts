// What a part may ask of the world: the time, chance, a place to say what happened, a log. Tests bring their own.

import type { Event } from "./event.ts";

export interface Clock {
  /** Monotonic milliseconds, for deadlines and durations. */
  now(): number;
  /** Milliseconds since the epoch, for people. */
  wall(): number;
  /** Calls back once after `ms`; the answer takes the timer back. A timer never keeps the process alive. */
  after(ms: number, callback: () => void): () => void;
}

/** The least important lines that a log writes. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface Log {
  /** May be set while the process runs, where the log has levels. */
  level?: LogLevel;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Env {
  readonly clock: Clock;
  /** A number in [0, 1). */
  random(): number;
  /** Says what happened; `gateway/metrics.ts` alone decides how it is counted. Never throws. */
  emit(event: Event): void;
  readonly log: Log;
  /** The environment variables of the process, for what libraries take from there by custom (proxies, credentials). */
  readonly variables: Readonly<Record<string, string | undefined>>;
}
