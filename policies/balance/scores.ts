// What a balancer compares its seats by: the lowest score, the next best few, and how both are put into words.

import type { Seat } from "./seats.ts";

/** What was chosen and what it was compared by, put into words only where somebody reads them. */
export interface Picked {
  /** Undefined in an explanation, where chance would decide. */
  readonly seat: Seat | undefined;
  readonly why: () => string;
}

/** The lower, the better. */
export type Score = (seat: Seat) => number;

/** The best of several seats. The scores of the next best few stand beside it, so that it can be told later what it won against. */
export interface Ranked {
  readonly seat: Seat;
  readonly score: number;
  /** The next best three, as far as there are so many others. */
  readonly second: number;
  readonly third: number;
  readonly fourth: number;
  readonly others: number;
}

/** The first of those with the lowest score, looked at from the one at `from` round to the one before it. */
export function rank(seats: readonly Seat[], score: Score, from = 0): Ranked | undefined {
  let seat: Seat | undefined;
  let lowest = Number.POSITIVE_INFINITY;
  let second = lowest;
  let third = lowest;
  let fourth = lowest;
  for (let i = 0; i < seats.length; i += 1) {
    const one = seats[(from + i) % seats.length] as Seat;
    const value = score(one);
    if (seat === undefined || value < lowest) {
      fourth = third;
      third = second;
      second = lowest;
      lowest = value;
      seat = one;
    } else if (value < second) {
      fourth = third;
      third = second;
      second = value;
    } else if (value < third) {
      fourth = third;
      third = value;
    } else if (value < fourth) {
      fourth = value;
    }
  }
  if (seat === undefined) return undefined;
  return { seat, score: lowest, second, third, fourth, others: seats.length - 1 };
}

/** `12.1 ms, others 14.0, 31.5`: the next best three and how many more. */
export function describeRanked(ranked: Omit<Ranked, "seat">, { whole, plain }: Unit): string {
  const { score, second, third, fourth, others } = ranked;
  const told = [second, third, fourth].slice(0, others).map(plain);
  const more = others > told.length ? [`${others - told.length} more`] : [];
  return `${whole(score)}, ${others === 1 ? "the other" : "others"} ${[...told, ...more].join(", ")}`;
}

/** What scores are, in words: one by itself, and one beside others. */
export interface Unit {
  whole(score: number): string;
  plain(score: number): string;
}

/** The time that an answer is expected to take. */
export const MS: Unit = { plain: msText, whole: (ms) => `${msText(ms)} ms` };

export const COST: Unit = { plain: msText, whole: (ms) => `cost ${msText(ms)} ms` };

/** Requests under way, this one among them, divided by the weight. */
export const IN_FLIGHT: Unit = { plain: countText, whole: (count) => `${countText(count)} in flight` };

export const UNTIMED: Unit = {
  plain: countText,
  whole: (count) => `no answer timed yet, ${countText(count)} in flight`,
};

/** The highest weight is the best, so scores are weights turned round. */
export const WEIGHT: Unit = {
  plain: (score) => countText(0 - score),
  whole: (score) => `current weight ${countText(0 - score)}`,
};

function msText(ms: number): string {
  if (ms >= 100) return ms.toFixed(0);
  return ms.toFixed(ms >= 10 ? 1 : ms >= 1 ? 2 : 3);
}

function countText(count: number): string {
  return String(Math.round(count * 100) / 100);
}
