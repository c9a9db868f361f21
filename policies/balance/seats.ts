// What a balancer knows of each endpoint: how much it has given it, how long its answers take, and since when it is there.

import type { Clock } from "../../core/env.ts";
import type { Outcome } from "../../core/outcome.ts";
import type { Candidate } from "../../core/policy.ts";

/** A failure counts as an answer that took at least this long, or fast failures would attract traffic. Source: Linkerd. */
const FAILURE_MS = 5000;
/** Weight of one sample among many. */
const ALPHA = 0.1;
/** How fast what was learned grows old, in milliseconds. */
const TAU_MS = 3000;
/** A server that asks for a longer pause is asked again after this long: it may have meant one request, or be mistaken. */
const LONGEST_PAUSE_MS = 60_000;
/** The share of its work that an endpoint gets at the beginning of its slow start. */
const SLOW_START_SHARE = 0.1;

export interface Learned {
  readonly outcome: Outcome;
  readonly perRowMs: number;
  readonly tookMs: number;
}

export interface Seat {
  readonly candidate: Candidate;
  /** Given and not answered yet: by this balancer, or by all who use the endpoint, whichever is more. */
  outstanding(): number;
  /** Mean time of an answer in milliseconds, grown old towards `median`; undefined before the first one. */
  meanMs(now: number, median: number | undefined): number | undefined;
  /** The same, but the worst of the recent answers counts in full and fades. */
  peakMs(now: number): number | undefined;
  /** Whether it should be given work now; from when it could not be to when it can be again it is eased in anew. */
  available(): boolean;
  /** Its server has said when to come again, and it is before that. */
  paused(): boolean;
  /** Its server asks for a pause. */
  pause(ms: number): void;
  /** Its weight in the config times how far it is eased in. */
  weight(now: number): number;
  /** When it was last given something. */
  readonly lastBegunAt: number;
  begin(now: number): void;
  learn(learned: Learned): void;
  end(): void;
}

export interface SeatsOptions {
  readonly slowStartMs: number;
  readonly clock: Clock;
}

export interface Seats {
  /** The seats of the candidates, in their order; the same list for the same list. */
  of(candidates: readonly Candidate[]): readonly Seat[];
}

export function openSeats({ slowStartMs, clock }: SeatsOptions): Seats {
  let known = new Map<Candidate, Seat>();
  let list: readonly Candidate[] | undefined;
  let seats: readonly Seat[] = [];
  return {
    of(candidates) {
      if (candidates === list) return seats;
      // those of the beginning begin together and need not be eased in
      const first = list === undefined || list.length === 0;
      const fresh = new Map<Candidate, Seat>();
      for (const candidate of candidates) {
        const since = first ? Number.NEGATIVE_INFINITY : clock.now();
        fresh.set(candidate, known.get(candidate) ?? openSeat(candidate, { slowStartMs, clock, since }));
      }
      known = fresh;
      list = candidates;
      seats = [...fresh.values()];
      return seats;
    },
  };
}

interface SeatParts extends SeatsOptions {
  /** When it came; long ago where it was there from the beginning. */
  readonly since: number;
}

function openSeat(candidate: Candidate, { slowStartMs, clock, since }: SeatParts): Seat {
  let own = 0;
  let lastBegunAt = clock.now();
  let begun = since;
  let wasAvailable = true;
  let mean: number | undefined;
  let peak: number | undefined;
  let stamp = 0;
  let pausedUntil = Number.NEGATIVE_INFINITY;
  const age = (now: number) => Math.exp(-(now - stamp) / TAU_MS);

  return {
    candidate,
    outstanding: () => Math.max(own, candidate.endpoint.slots.busy),
    meanMs(now, median) {
      if (mean === undefined || median === undefined) return mean;
      return median + (mean - median) * age(now);
    },
    peakMs: (now) => (peak === undefined ? undefined : Math.max(mean ?? 0, peak * age(now))),
    available() {
      const available = candidate.available();
      // one that has come back is as cold as a new one
      if (available && !wasAvailable) begun = clock.now();
      wasAvailable = available;
      return available;
    },
    paused: () => clock.now() < pausedUntil,
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, clock.now() + Math.min(LONGEST_PAUSE_MS, ms));
    },
    weight(now) {
      const { weight } = candidate.endpoint;
      const share = slowStartMs === 0 ? 1 : (now - begun) / slowStartMs;
      return weight * Math.min(1, Math.max(SLOW_START_SHARE, share));
    },
    get lastBegunAt() {
      return lastBegunAt;
    },
    begin(now) {
      own += 1;
      lastBegunAt = now;
    },
    learn({ outcome, perRowMs, tookMs }) {
      if (outcome === "ignored") return;
      const sample = outcome === "success" ? perRowMs : Math.max(FAILURE_MS, tookMs);
      const now = clock.now();
      peak = Math.max(sample, (peak ?? 0) * age(now));
      // one sample after a long silence says more than one among many
      mean = mean === undefined ? sample : mean + Math.max(ALPHA, 1 - age(now)) * (sample - mean);
      stamp = now;
    },
    end() {
      own -= 1;
    },
  };
}
