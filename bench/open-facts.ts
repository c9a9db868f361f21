// What the rows of an open-loop client say: pure counts.

import { GAVE_UP, NO_ANSWER } from "./open-connection.ts";
import type { OpenFacts } from "./open-load.ts";
import { quantile } from "./stats.ts";

/** Of those whose time to begin lies in the span, in milliseconds since the start. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface OpenSummary {
  readonly sent: number;
  /** Answered by a 200. */
  readonly answered: number;
  /** Answered by a 200 before its deadline. */
  readonly inTime: number;
  /** No answer at all: the connection failed, or the client left. */
  readonly unanswered: number;
  /** Of the requests that were answered by a 200; 0 where none was. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The 99th percentile of their time by their own deadline. */
  readonly p99OfDeadline: number;
}

export function summaryOf(facts: OpenFacts, { fromMs, toMs }: Span): OpenSummary {
  const rows = [...facts.atMs.keys()].filter((row) => at(facts.atMs, row) >= fromMs && at(facts.atMs, row) < toMs);
  const answered = rows.filter((row) => facts.status[row] === 200);
  const took = answered.map((row) => at(facts.tookMs, row));
  const ofDeadline = answered.map((row) => at(facts.tookMs, row) / at(facts.deadlineMs, row));
  return {
    sent: rows.length,
    answered: answered.length,
    inTime: ofDeadline.filter((share) => share <= 1).length,
    unanswered: rows.filter((row) => facts.status[row] === NO_ANSWER || facts.status[row] === GAVE_UP).length,
    p50Ms: quantile(took, 0.5) || 0,
    p99Ms: quantile(took, 0.99) || 0,
    p99OfDeadline: quantile(ofDeadline, 0.99) || 0,
  };
}

/** How often each status came, the most frequent first: `200 x 512, 503 x 20`. */
export function statusesOf({ status }: OpenFacts): string {
  const counts = new Map<string, number>();
  for (const one of status) counts.set(nameOf(one), (counts.get(nameOf(one)) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} x ${count}`)
    .join(", ");
}

function nameOf(status: number): string {
  if (status === NO_ANSWER) return "no answer";
  return status === GAVE_UP ? "client left" : String(status);
}

function at(values: Float64Array, row: number): number {
  return values[row] ?? Number.NaN;
}
