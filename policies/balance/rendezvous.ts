// Rendezvous hashing with bounded load: a key's place moves only when that place goes or has too much to do.

import type { Picked } from "./scores.ts";
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

/** A key's place, and how it came to it. */
export interface Chosen<P> {
  readonly place: P;
  /** 1 for the key's first choice: those before it have as much to do as they may. */
  readonly choice: number;
  /** What it would have to do with this one, and the most that it may have. */
  readonly load: number;
  readonly bound: number;
}

/** The key's first choice that is within its bound. Weights scale both the choice and the bound. */
export function choose<P extends RendezvousPlace>(key: string, places: readonly P[]): Chosen<P> | undefined {
  const ranked = places.map((place) => ({ place, rank: rankOf(key, place) })).sort((a, b) => b.rank - a.rank);
  let load = 1;
  let weights = 0;
  for (const { place } of ranked) {
    load += place.outstanding();
    weights += place.weight;
  }
  let first: Chosen<P> | undefined;
  for (const [i, { place }] of ranked.entries()) {
    const bound = Math.ceil((1 + EPSILON) * load * (place.weight / weights));
    const chosen = { place, choice: i + 1, load: place.outstanding() + 1, bound };
    if (chosen.load <= bound) return chosen;
    first ??= chosen;
  }
  return first;
}

/** `1f2e3d4c, choice 1, 2 in flight of at most 3`: the key's hash at its place, and how it came to it. */
export function describeChosen(key: string, { place, choice, load, bound }: Chosen<RendezvousPlace>): string {
  return `${hashText(key, place)}, choice ${choice}, ${load} in flight of at most ${bound}`;
}

/** The key's endpoint among the seats of a balancer. */
export function pickByHash(key: string, seats: readonly Seat[]): Picked | undefined {
  const places = seats.map((seat) => {
    const { id, weight } = seat.candidate.endpoint;
    return { id, weight, seat, outstanding: () => seat.outstanding() };
  });
  const chosen = choose(key, places);
  if (chosen === undefined) return undefined;
  return { seat: chosen.place.seat, why: () => describeChosen(key, chosen) };
}

// Weighted rendezvous: -weight / ln(h) with h uniform in (0, 1). Source: Schindelhauer and Schomaker, 2005.
function rankOf(key: string, place: RendezvousPlace): number {
  const uniform = (hashAt(key, place) + 0.5) / 2 ** 32;
  return -place.weight / Math.log(uniform);
}

function hashAt(key: string, { id }: RendezvousPlace): number {
  return hash(`${id}\u0000${key}`);
}

/** The key's hash at the place, in eight hexadecimal digits. */
function hashText(key: string, place: RendezvousPlace): string {
  return hashAt(key, place).toString(16).padStart(8, "0");
}

/** FNV-1a, finished by Murmur3's mixer so that ids which differ in their last sign only are far apart. */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}
