// Scripted servers whose capacity is known: so many slots at each endpoint, and so long an answer.

import type { ReadyAnswer } from "./upstream-stub.ts";

/** One endpoint, over HTTP. */
export interface SlottedEndpoint {
  readonly slots: number;
  readonly delayMs: number;
  /** A free one where nothing is said. */
  readonly port?: number;
}

export interface SlottedSetup {
  readonly endpoints: readonly SlottedEndpoint[];
  readonly answers: readonly ReadyAnswer[];
  /** The source of a regular expression: which questions are inferences. */
  readonly asks: string;
  readonly usual: Uint8Array;
}

/** How an endpoint answers inferences: in its slots, by 503 at once, or by closing the connection. */
export type Mood = "well" | "refuses" | "resets";

/** What changes at a time: from then on, of what begins. */
export interface Change {
  /** Since the start of the script, in milliseconds. */
  readonly atMs: number;
  readonly endpoint: number;
  readonly delayMs: number;
}

export interface Script {
  /** By the wall clock, so that the client begins at the same time. */
  readonly startAt: number;
  readonly changes: readonly Change[];
}

/** The width of a column of a timeline, in milliseconds. */
export const COLUMN_MS = 100;
