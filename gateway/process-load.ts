// Whether the process itself has too much to do: its memory near the limit, or its event loop late; then new requests are refused.

import type { Env } from "../core/env.ts";
import { InferError } from "../core/error.ts";
import { formatBytes, formatDuration } from "../core/units.ts";
import type { LoopDelay } from "./loop-delay.ts";

/** What of the process is measured. */
export interface Readings {
  /** Bytes of memory that the process holds now. */
  memoryBytes(): number;
  /** How late the event loop is by now, in milliseconds. */
  lagMs(): number;
  close(): void;
}

export interface LoadLimits {
  /** Above so many bytes requests are refused. */
  readonly memoryBytes: number;
  /** Above so many milliseconds requests are refused. */
  readonly lagMs: number;
}

export interface ProcessLoad {
  /**
   * Why a request that has just come is refused; undefined where it is not.
   *
   * @param others whether any other request is held: alone, one goes through whatever the readings, so that memory which
   * the process keeps for itself stops nobody for ever
   */
  refusal(others: boolean): InferError | undefined;
  close(): void;
}

/** Time between two readings. */
const EVERY_MS = 250;
/** An overload is over below this share of its limit, so that it does not begin and end with each reading. */
const OVER_SHARE = 0.9;
/** When another try is worth its while. */
const RETRY_AFTER_MS = 1000;

type Of = "memory" | "lag";

export function openProcessLoad(limits: LoadLimits, readings: Readings, env: Env): ProcessLoad {
  const limitOf: Readonly<Record<Of, number>> = { memory: limits.memoryBytes, lag: limits.lagMs };
  const seen: Record<Of, number> = { memory: 0, lag: 0 };
  const over = new Set<Of>();
  const judge = (of: Of, value: number) => {
    seen[of] = value;
    const isOver = value > (over.has(of) ? OVER_SHARE : 1) * limitOf[of];
    if (isOver === over.has(of)) return;
    if (isOver) over.add(of);
    else over.delete(of);
    env.emit({ type: "process-overload", of, state: isOver ? "begins" : "ends" });
    const fields = { of, value: textOf(of, value), limit: textOf(of, limitOf[of]) };
    if (isOver) env.log.warn(fields, "the process is overloaded: new requests are refused");
    else env.log.info(fields, "the process is overloaded no longer");
  };
  let stopTimer = () => {};
  const read = () => {
    judge("memory", readings.memoryBytes());
    judge("lag", readings.lagMs());
    stopTimer = env.clock.after(EVERY_MS, read);
  };
  stopTimer = env.clock.after(EVERY_MS, read);
  return {
    refusal(others) {
      if (over.size === 0 || !others) return undefined;
      const of: Of = over.has("memory") ? "memory" : "lag";
      env.emit({ type: "process-shed", of });
      const what = of === "memory" ? "the gateway's memory is at" : "the gateway's event loop is late by";
      const text = `${what} ${textOf(of, seen[of])}, its limit is ${textOf(of, limitOf[of])} (limits.${of})`;
      return new InferError("overloaded", text, { retryAfterMs: RETRY_AFTER_MS });
    },
    close() {
      stopTimer();
      readings.close();
    },
  };
}

function textOf(of: Of, value: number): string {
  return of === "memory" ? formatBytes(Math.round(value)) : formatDuration(Math.round(value));
}

/** The readings of this process. */
export function processReadings(loop: LoopDelay): Readings {
  let before = 0;
  return {
    memoryBytes: () => process.memoryUsage.rss(),
    // the loop is looked at a few times between two readings: one long turn alone is no overload, two in a row are
    lagMs() {
      const now = loop.meanMs();
      const lag = Math.min(before, now);
      before = now;
      return lag;
    },
    close: loop.close,
  };
}
