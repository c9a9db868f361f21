// How fast rows come, and whether waiting for more of them pays.

import { type Cost, predictMs } from "./learn.ts";

/** Rows come at a rate; what came long ago is forgotten with this time constant, in milliseconds. */
const TAU_MS = 100;
/** The share of its time that a request may spend waiting for others. Source: rule 3. */
const SHARE_OF_DEADLINE = 0.1;

export interface Pace {
  came(rows: number, now: number): void;
  /** Rows a millisecond. */
  rate(now: number): number;
}

export function openPace(): Pace {
  let rate = 0;
  let at = 0;
  const aged = (now: number) => rate * Math.exp(-(now - at) / TAU_MS);
  return {
    came(rows, now) {
      rate = aged(now) + rows / TAU_MS;
      at = now;
    },
    rate: aged,
  };
}

/**
 * The batch that comes together while the others run, rate * l(b) / slots rows: with it every slot is just busy. 1 where
 * single requests keep up as well, `most` where nothing keeps up.
 */
export function matchedRows(rate: number, cost: Cost, at: { readonly slots: number; readonly most: number }): number {
  const spare = at.slots - rate * cost.a;
  if (spare <= 0) return at.most;
  return Math.min(at.most, Math.max(1, Math.floor((rate * cost.B) / spare)));
}

export interface Waiting {
  readonly rows: number;
  readonly since: number;
  /** The tightest one of those that wait. */
  readonly deadline: number;
  readonly maxDelayMs: number;
}

/** How much longer to wait for `wanted` rows in milliseconds; 0 when it is time. */
export function waitMs(waiting: Waiting, wanted: number, now: number): number {
  if (waiting.rows >= wanted) return 0;
  const cap = Math.min(waiting.maxDelayMs, SHARE_OF_DEADLINE * (waiting.deadline - waiting.since));
  return Math.max(0, waiting.since + cap - now);
}

/** Whether the wanted rows would come in time and a batch of them costs less than their runs alone. */
export function pays(rate: number, cost: Cost, wanted: number): boolean {
  return wanted > 1 && rate > 0 && predictMs(cost, wanted) < wanted * predictMs(cost, 1);
}
