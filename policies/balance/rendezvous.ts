// Rendezvous hashing with bounded load: a key's endpoint moves only when that endpoint goes or has too much to do.

import type { Seat } from "./seats.ts";

/** How much more than its share an endpoint may have to do before a key goes to its next choice. */
const EPSILON = 0.25;

/** The key's first choice that is within its bound. Weights scale both the choice and the bound. */
export function pickByHash(key: string, seats: readonly Seat[]): Seat | undefined {
  const ranked = seats
    .map((seat) => ({ seat, rank: rankOf(key, seat) }))
    .sort((a, b) => b.rank - a.rank)
    .map(({ seat }) => seat);
  const load = ranked.reduce((sum, seat) => sum + seat.outstanding(), 0) + 1;
  const weights = ranked.reduce((sum, { candidate }) => sum + candidate.endpoint.weight, 0);
  const within = ranked.find((seat) => {
    const bound = Math.ceil((1 + EPSILON) * load * (seat.candidate.endpoint.weight / weights));
    return seat.outstanding() + 1 <= bound;
  });
  return within ?? ranked[0];
}

// Weighted rendezvous: -weight / ln(h) with h uniform in (0, 1). Source: Schindelhauer and Schomaker, 2005.
function rankOf(key: string, { candidate }: Seat): number {
  const { id, weight } = candidate.endpoint;
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
