// The contract of a store of answers that replicas share, behind the memory of each.

import type { InferResponse } from "../../core/request.ts";

/** An answer as it is kept, with what proves that it belongs to the question. */
export interface StoredAnswer {
  readonly answer: InferResponse;
  /** Names, datatypes, shapes and byte lengths of the question's inputs, as text: equal for equal heads. */
  readonly head: string;
  /** The question's second digest, under a key of its own. */
  readonly proof: Uint8Array;
  /** When it was made, in milliseconds since the epoch. */
  readonly madeAt: number;
  /** How long from `madeAt` it may be given as it is, in milliseconds. */
  readonly freshMs: number;
  /** How long from `madeAt` it may be of any use: at least `freshMs`; the store may forget it then. */
  readonly keepMs: number;
}

/**
 * What a purge names. A question is under the generation of its model, and where its answers are kept by tenant also
 * under that of its tenant there.
 */
export type Scope = { readonly model: string; readonly tenant?: string };

/** Where a question is to be looked up. */
export interface Place {
  /** The question's digest: at least 128 bits, all that the answer depends on, keyed with the replicas' common secret. */
  readonly key: Uint8Array;
  /** Its scopes, in an order that is the same for equal questions. */
  readonly scopes: readonly Scope[];
}

/** Where several questions under the same scopes are to be looked up, such as the rows of one request. */
export interface Places {
  /** Each as in `Place`; with none of them only the generations are asked for. */
  readonly keys: readonly Uint8Array[];
  readonly scopes: readonly Scope[];
}

/** What one round trip tells. */
export interface SecondLook {
  /**
   * The generations of the scopes as they are now, opaque: two are one generation only when they are equal. A scope that
   * the store does not know (new, or forgotten under pressure) has been given a new one in the same round trip.
   */
  readonly generations: readonly string[];
  /** Only an answer that was kept under exactly these generations. */
  readonly stored: StoredAnswer | undefined;
}

/** What one round trip tells of several questions. */
export interface SecondLooks extends Pick<SecondLook, "generations"> {
  /** For each key in its place, as in `SecondLook`. */
  readonly stored: readonly (StoredAnswer | undefined)[];
}

/**
 * A store that may be down, slow, full or wrong at any time, and never shows it: nothing here throws, and no promise takes
 * longer than the store's own time-out, which is a few milliseconds.
 */
export interface SecondLevel {
  /** Value and generations in one round trip; undefined when the generations could not be read: then there is no hit. */
  get(place: Place): Promise<SecondLook | undefined>;
  /** The same of several questions: all values and the generations in one round trip. */
  getAll(places: Places): Promise<SecondLooks | undefined>;
  /**
   * Keeps an answer under the generations that were read before it was made, so that a purge in between is never undone.
   * Nobody waits for it. The answer's bytes are only lent until the next turn of the event loop.
   */
  set(place: Place, generations: readonly string[], stored: StoredAnswer): void;
  /** The same of several answers, one for each key; their bytes stay as they are until they have been written. */
  setAll(places: Places, generations: readonly string[], stored: readonly StoredAnswer[]): void;
  /**
   * Answers under these scopes are kept by this process without a look at their generations: when purges may have gone
   * unheard, the scopes count as raised.
   */
  unwatched(scopes: readonly Scope[]): void;
  /** A new generation for the scope, so that no answer kept before is found again; false when the store did not take it. */
  raise(scope: Scope): Promise<boolean>;
  /** Calls back when another replica has raised a scope, or may have, soon after; the answer stops that. */
  onRaise(listener: (scope: Scope) => void): () => void;
}
