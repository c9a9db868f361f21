// The ways to choose one endpoint among several that may be used.

import type { Call } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { formatDuration } from "../../core/units.ts";
import { pickByHash } from "./rendezvous.ts";
import {
  COST,
  describeRanked,
  IN_FLIGHT,
  MS,
  type Picked,
  type Ranked,
  rank,
  type Score,
  UNTIMED,
  type Unit,
  WEIGHT,
} from "./scores.ts";
import type { Seat } from "./seats.ts";

/** The words after `balance:`. */
export const PICKERS = [
  "least-time",
  "round-robin",
  "weighted",
  "least-outstanding",
  "p2c",
  "peak-ewma",
  "hash",
] as const;

export type PickerName = (typeof PICKERS)[number];

/** What of a request is hashed, so that requests of one kind stay together. */
export type HashKey = { readonly header: string } | { readonly query: string } | "tenant" | "peer";

export interface PickerOptions {
  readonly by: PickerName;
  readonly key?: HashKey;
}

/** Chooses among at least two seats; for an explanation it says whom it would choose, and moves nothing. */
export type Pick = (seats: readonly Seat[], call: Call) => Picked | undefined;

/** Beyond this many endpoints, two are drawn and compared instead of all. */
const FULL_SCAN = 64;
/** An endpoint that looks slow is asked at least this often, so that its recovery is seen. */
const ASK_AGAIN_MS = 1000;

export function openPicker(options: PickerOptions, env: Env): Pick {
  switch (options.by) {
    case "least-time":
      return leastTime(env);
    case "round-robin":
      return smoothly(
        () => 1,
        () => "its turn",
      );
    case "weighted":
      return smoothly(
        (seat) => seat.weight(env.clock.now()),
        (ranked) => describeRanked(ranked, WEIGHT),
      );
    case "least-outstanding":
      return (seats) => picked(rank(seats, perWeight(env)), IN_FLIGHT);
    case "p2c":
      return (seats, call) => lowerOfTwo(seats, call, { env, scoreOf: () => perWeight(env), unit: IN_FLIGHT });
    case "peak-ewma":
      return (seats, call) => lowerOfTwo(seats, call, { env, scoreOf: () => peakScore(env), unit: COST });
    case "hash":
      return byHash(options.key ?? "peer", env);
    default:
      return options.by satisfies never;
  }
}

function picked(ranked: Ranked | undefined, unit: Unit): Picked | undefined {
  return ranked && { seat: ranked.seat, why: () => describeRanked(ranked, unit) };
}

function perWeight(env: Env): Score {
  const now = env.clock.now();
  return (seat) => (seat.outstanding() + 1) / seat.weight(now);
}

function peakScore(env: Env): Score {
  const now = env.clock.now();
  return (seat) => ((seat.outstanding() + 1) * (seat.peakMs(now) ?? 0)) / seat.weight(now);
}

function timeScore(env: Env, median: number | undefined): Score {
  const now = env.clock.now();
  return (seat) => ((seat.outstanding() + 1) * (seat.meanMs(now, median) ?? median ?? 1)) / seat.weight(now);
}

/**
 * The lowest product of what an endpoint has to do and how long its answers take. Source: our simulation (one of four ten
 * times slower, load 0.6): p99 equal to that of who knows the true speeds.
 */
function leastTime(env: Env): Pick {
  let turn = 0;
  const scoreOf = (seats: readonly Seat[]) => timeScore(env, medianOf(seats));
  return (seats, call) => {
    const now = env.clock.now();
    const overdue = seats.find((seat) => now - seat.lastBegunAt >= ASK_AGAIN_MS && seat.outstanding() === 0);
    if (overdue !== undefined) {
      const idleMs = now - overdue.lastBegunAt;
      return { seat: overdue, why: () => `asked to see, idle for ${formatDuration(Math.round(idleMs))}` };
    }
    if (seats.length > FULL_SCAN) return lowerOfTwo(seats, call, { env, scoreOf, unit: MS });
    const median = medianOf(seats);
    const next = (turn + 1) % seats.length;
    if (call.purpose !== "explain") turn = next;
    return picked(rank(seats, timeScore(env, median), next), median === undefined ? UNTIMED : MS);
  };
}

function medianOf(seats: readonly Seat[]): number | undefined {
  const means: number[] = [];
  for (const seat of seats) {
    const mean = seat.meanMs(0, undefined);
    if (mean !== undefined) means.push(mean);
  }
  means.sort((a, b) => a - b);
  return means[Math.floor((means.length - 1) / 2)];
}

interface Drawing {
  readonly env: Env;
  scoreOf(drawn: readonly Seat[]): Score;
  readonly unit: Unit;
}

/** The better of two that are drawn; of two in all an explanation can tell which that is. */
function lowerOfTwo(seats: readonly Seat[], { purpose }: Call, { env, scoreOf, unit }: Drawing): Picked | undefined {
  const asks = purpose === "explain";
  const [a, b] = asks ? seats : drawTwo(seats, env);
  if (a === undefined || b === undefined) return undefined;
  const score = scoreOf(asks ? seats : [a, b]);
  const [ofA, ofB] = [score(a), score(b)];
  if (asks && (seats.length > 2 || ofA === ofB)) return { seat: undefined, why: () => "the better one of two drawn" };
  const [best, lowest, other, higher] = ofB < ofA ? [b, ofB, a, ofA] : [a, ofA, b, ofB];
  const { id } = other.candidate.endpoint;
  return { seat: best, why: () => `${unit.whole(lowest)} against ${unit.plain(higher)} at ${id}` };
}

function drawTwo(seats: readonly Seat[], env: Env): readonly (Seat | undefined)[] {
  const first = Math.floor(env.random() * seats.length);
  const other = Math.floor(env.random() * (seats.length - 1));
  return [seats[first], seats[other < first ? other : other + 1]];
}

/** Smooth weighted round robin: at any prefix no endpoint is more than one request from its share. Source: nginx. */
function smoothly(weightOf: Score, why: (ranked: Ranked) => string): Pick {
  const credit = new WeakMap<Seat, number>();
  return (seats, { purpose }) => {
    const asks = purpose === "explain";
    let total = 0;
    const ranked = rank(seats, (seat) => {
      const weight = weightOf(seat);
      const current = (credit.get(seat) ?? 0) + weight;
      total += weight;
      if (!asks) credit.set(seat, current);
      return -current;
    });
    if (ranked === undefined) return undefined;
    if (!asks) credit.set(ranked.seat, -ranked.score - total);
    return { seat: ranked.seat, why: () => why(ranked) };
  };
}

/** Requests of one key stay on one endpoint for as long as it has not much more to do than the others. */
function byHash(key: HashKey, env: Env): Pick {
  const withoutKey = leastTime(env);
  return (seats, call) => {
    const text = keyOf(key, call);
    if (text !== undefined && text !== "") return pickByHash(text, seats);
    const fastest = withoutKey(seats, call);
    return fastest && { seat: fastest.seat, why: () => `no ${nameOf(key)}, least-time: ${fastest.why()}` };
  };
}

function nameOf(key: HashKey): string {
  if (typeof key === "string") return key;
  return "header" in key ? key.header : key.query;
}

function keyOf(key: HashKey, call: Call): string | undefined {
  if (key === "tenant") return call.tenant;
  if (key === "peer") return call.peer;
  return "header" in key ? call.headers.get(key.header) : (call.query.get(key.query) ?? undefined);
}
