// The ways to choose one endpoint among several that may be used.

import type { Call } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { pickByHash } from "./rendezvous.ts";
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

/** Chooses among at least two seats. */
export type Pick = (seats: readonly Seat[], call: Call) => Seat | undefined;

/** Beyond this many endpoints, two are drawn and compared instead of all. */
const FULL_SCAN = 64;
/** An endpoint that looks slow is asked at least this often, so that its recovery is seen. */
const ASK_AGAIN_MS = 1000;

export function openPicker(options: PickerOptions, env: Env): Pick {
  switch (options.by) {
    case "least-time":
      return leastTime(env);
    case "round-robin":
      return smoothly(() => 1);
    case "weighted":
      return smoothly((seat) => seat.weight(env.clock.now()));
    case "least-outstanding":
      return (seats) =>
        least(
          seats,
          perWeight(env, (seat) => seat.outstanding() + 1),
        );
    case "p2c":
      return (seats) =>
        least(
          drawTwo(seats, env),
          perWeight(env, (seat) => seat.outstanding() + 1),
        );
    case "peak-ewma":
      return (seats) => least(drawTwo(seats, env), peakScore(env));
    case "hash":
      return byHash(options.key ?? "peer", env);
    default:
      return options.by satisfies never;
  }
}

type Score = (seat: Seat) => number;

/** The seat of the lowest score, the first one of several. */
function least(seats: readonly Seat[], score: Score): Seat | undefined {
  let best: Seat | undefined;
  let lowest = Number.POSITIVE_INFINITY;
  for (const seat of seats) {
    const value = score(seat);
    if (value < lowest || best === undefined) {
      best = seat;
      lowest = value;
    }
  }
  return best;
}

function perWeight(env: Env, load: Score): Score {
  const now = env.clock.now();
  return (seat) => load(seat) / seat.weight(now);
}

function peakScore(env: Env): Score {
  const now = env.clock.now();
  return (seat) => ((seat.outstanding() + 1) * (seat.peakMs(now) ?? 0)) / seat.weight(now);
}

/**
 * The lowest product of what an endpoint has to do and how long its answers take. Source: our simulation (one of four ten
 * times slower, load 0.6): p99 equal to that of who knows the true speeds.
 */
function leastTime(env: Env): Pick {
  let turn = 0;
  return (seats) => {
    const now = env.clock.now();
    const overdue = seats.find((seat) => now - seat.lastBegunAt >= ASK_AGAIN_MS && seat.outstanding() === 0);
    if (overdue !== undefined) return overdue;
    const compared = seats.length > FULL_SCAN ? drawTwo(seats, env) : seats;
    const median = medianOf(compared);
    const score = (seat: Seat) =>
      ((seat.outstanding() + 1) * (seat.meanMs(now, median) ?? median ?? 1)) / seat.weight(now);
    turn = (turn + 1) % compared.length;
    return least([...compared.slice(turn), ...compared.slice(0, turn)], score);
  };
}

function medianOf(seats: readonly Seat[]): number | undefined {
  const means = seats.flatMap((seat) => seat.meanMs(0, undefined) ?? []).sort((a, b) => a - b);
  return means[Math.floor((means.length - 1) / 2)];
}

function drawTwo(seats: readonly Seat[], env: Env): readonly Seat[] {
  const first = Math.floor(env.random() * seats.length);
  const other = Math.floor(env.random() * (seats.length - 1));
  return [first, other < first ? other : other + 1].flatMap((i) => seats[i] ?? []);
}

/** Smooth weighted round robin: at any prefix no endpoint is more than one request from its share. Source: nginx. */
function smoothly(weightOf: Score): Pick {
  const credit = new WeakMap<Seat, number>();
  return (seats) => {
    let total = 0;
    for (const seat of seats) {
      const weight = weightOf(seat);
      total += weight;
      credit.set(seat, (credit.get(seat) ?? 0) + weight);
    }
    const chosen = least(seats, (seat) => -(credit.get(seat) ?? 0));
    if (chosen !== undefined) credit.set(chosen, (credit.get(chosen) ?? 0) - total);
    return chosen;
  };
}

/** Requests of one key stay on one endpoint for as long as it has not much more to do than the others. */
function byHash(key: HashKey, env: Env): Pick {
  const withoutKey = leastTime(env);
  return (seats, call) => {
    const text = keyOf(key, call);
    return text === undefined || text === "" ? withoutKey(seats, call) : pickByHash(text, seats);
  };
}

function keyOf(key: HashKey, call: Call): string | undefined {
  if (key === "tenant") return call.tenant;
  if (key === "peer") return call.peer;
  return "header" in key ? call.headers.get(key.header) : (call.query.get(key.query) ?? undefined);
}
