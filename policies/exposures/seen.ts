// Which units have been seen in which variant, in bounded memory: the oldest are forgotten first.

export interface Seen {
  /** Notes the unit, by a hash of it; true at first sight. One that was forgotten is seen for the first time again. */
  first(hash: number): boolean;
}

/**
 * Remembers the last `limit` units at least and twice as many at most: a full generation pushes out the one before it,
 * and a unit that comes again moves into the young one.
 */
export function openSeen(limit: number): Seen {
  let young = new Set<number>();
  let old = new Set<number>();
  return {
    first(hash) {
      if (young.has(hash)) return false;
      const known = old.has(hash);
      young.add(hash);
      if (young.size >= limit) {
        old = young;
        young = new Set();
      }
      return !known;
    },
  };
}
