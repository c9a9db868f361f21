// Rendezvous hashing with bounded load: a key's place moves only when that place goes or has too much to do.

import type { Seat } from "./seats.ts";

/** How much more than its share a place may have to do before a key goes to its next choice. */
const EPSILON = 0.25;

/** Somewhere that keys may go. */
export interface RendezvousPlace {
  /** Unique among the places, and the same in every process. */
  readonly id: string;
  readonly weight: number;
  /** What it has to do now. */
  outstanding(): number;
}

/** The key's first choice that is within its bound. Weights scale both the choice and the bound. */
export function rendezvous<P extends RendezvousPlace>(key: string, places: readonly P[]): P | undefined {
  const ranked = places
    .map((place) => ({ place, rank: rankOf(key, place) }))
    .sort((a, b) => b.rank - a.rank)
    .map(({ place }) => place);
  const load = ranked.reduce((sum, place) => sum + place.outstanding(), 0) + 1;
  const weights = ranked.reduce((sum, { weight }) => sum + weight, 0);
  const within = ranked.find((place) => {
    const bound = Math.ceil((1 + EPSILON) * load * (place.weight / weights));
    return place.outstanding() + 1 <= bound;
  });
  return within ?? ranked[0];
}

/** The key's endpoint among the seats of a balancer. */
export function pickByHash(key: string, seats: readonly Seat[]): Seat | undefined {
  const places = seats.map((seat) => {
    const { id, weight } = seat.candidate.endpoint;
    return { id, weight, seat, outstanding: () => seat.outstanding() };
  });
  return rendezvous(key, places)?.seat;
}

// Weighted rendezvous: -weight / ln(h) with h uniform in (0, 1). Source: Schindelhauer and Schomaker, 2005.
function rankOf(key: string, { id, weight }: RendezvousPlace): number {
  const uniform = (hash(`${id}\u0000${key}`) + 0.5) / 2 ** 32;
  return -weight / Math.log(uniform);
}

/** FNV-1a, finished by Murmur3's mixer so that ids which differ in their last sign only are far apart. */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}
