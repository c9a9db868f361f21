// Records on their way out: a bounded queue, written in batches, never waited for by a request.

import type { Env } from "../../core/env.ts";

/** Where batches go. */
export interface Sink {
  /** Writes whole lines. @throws when they could not be written */
  write(lines: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export interface QueueOptions {
  readonly sink: Sink;
  readonly everyMs: number;
  /** Lines that go together at most. */
  readonly batch: number;
  /** Lines that wait at most; more are dropped and counted. */
  readonly limit: number;
  readonly env: Env;
}

export interface Queue {
  /** Never blocks and never throws. */
  push(line: string): void;
  /** Writes what waits, as far as the sink takes it within a few seconds, and closes the sink. */
  close(): Promise<void>;
}

/** How long the last lines may take when the gateway stops, in milliseconds. */
const LAST_MS = 5_000;

export function openQueue({ sink, everyMs, batch, limit, env }: QueueOptions): Queue {
  let waiting: string[] = [];
  let writing: Promise<void> | undefined;
  let stopTimer: (() => void) | undefined;
  let failing = false;
  const drop = (count: number) => env.emit({ type: "exposures-dropped", count });
  const writeAll = async () => {
    while (waiting.length > 0) {
      const lines = waiting.slice(0, batch);
      waiting = waiting.slice(lines.length);
      try {
        await sink.write(lines);
        failing = false;
      } catch (error) {
        drop(lines.length);
        // once for a fault that lasts
        if (!failing) env.log.warn({ err: error, dropped: lines.length }, "exposures could not be written");
        failing = true;
      }
    }
  };
  const flush = () => {
    stopTimer?.();
    stopTimer = undefined;
    writing ??= writeAll().finally(() => {
      writing = undefined;
    });
    return writing;
  };
  return {
    push(line) {
      if (waiting.length >= limit) return drop(1);
      waiting.push(line);
      if (waiting.length >= batch) void flush();
      else stopTimer ??= env.clock.after(everyMs, () => void flush());
    },
    async close() {
      const late = new Promise<void>((resolve) => env.clock.after(LAST_MS, resolve));
      await Promise.race([flush(), late]);
      if (waiting.length > 0) drop(waiting.length);
      waiting = [];
      await sink.close();
    },
  };
}
