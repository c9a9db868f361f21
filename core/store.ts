// What replicas of the gateway count together, in a store that may be away at any time.

/** A count as it stands in the store. */
export interface SharedCount {
  /** All that replicas have added since the count began, this addition included. */
  readonly total: number;
  /** Until the count ends and the next addition begins a new one, in milliseconds. */
  readonly endsInMs: number;
}

/**
 * The store that replicas share, for quotas: absent where the config has none. It may be down, slow or full, and never
 * shows it: nothing here throws, and no promise takes longer than the store's own time-out of a few milliseconds. Whoever
 * gets `undefined` goes on with what it knows itself.
 */
export interface SharedStore {
  /** Whether it is worth asking now: cheap, for every request. What is asked all the same is answered `undefined` at once. */
  available(): boolean;
  /**
   * Adds to the count under the key in one step over all replicas; `by` 0 only looks. A count begins with its first
   * addition and ends `lastsMs` later, whatever is added in between. Undefined when the store did not answer: the addition
   * may have been made all the same.
   */
  add(key: string, by: number, lastsMs: number): Promise<SharedCount | undefined>;
}
