// What a tree of services is made of (backends, later caches and breakers), counted, and handed over when the config changes.

/** Something with a life. */
export interface Part {
  close(): Promise<void>;
}

interface Held {
  readonly part: Promise<Part>;
  /** How many trees use it. */
  users: number;
}

export interface Parts {
  /**
   * The part under this key: the previous tree's where it has one, else a new one. A key says all that the part
   * depends on (kind, path in the config, canonical options), so that equal keys mean an unchanged part.
   */
  use<P extends Part>(key: string, open: () => Promise<P>): Promise<P>;
  /** Lets go of every part, the last one first; those that another tree uses live on. */
  close(): Promise<void>;
}

const heldBy = new WeakMap<Parts, ReadonlyMap<string, Held>>();

export function openParts(previous?: Parts): Parts {
  const before = previous === undefined ? undefined : heldBy.get(previous);
  const held = new Map<string, Held>();
  const parts: Parts = {
    async use<P extends Part>(key: string, open: () => Promise<P>): Promise<P> {
      const known = held.get(key);
      if (known !== undefined) return (await known.part) as P;
      const kept = before?.get(key);
      const entry: Held = kept ?? { part: open(), users: 0 };
      entry.users += 1;
      held.set(key, entry);
      try {
        return (await entry.part) as P;
      } catch (error) {
        // what could not be opened is not there to be closed
        held.delete(key);
        throw error;
      }
    },
    async close() {
      const entries = [...held.values()].reverse();
      held.clear();
      for (const entry of entries) {
        entry.users -= 1;
        if (entry.users === 0) await (await entry.part).close();
      }
    },
  };
  heldBy.set(parts, held);
  return parts;
}

/** A value as text that is equal for equal values, whatever the order of their keys. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== "object" || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** Parts that are opened at once and may come and go while a tree is in force: the models. */
export interface Kept<P extends { close(): void }> {
  /** The part under this key: this tree's or the previous one's where they have it, else a new one. */
  use(key: string, open: () => P): P;
  /** This tree needs it no longer. */
  drop(key: string): void;
  close(): void;
}

interface Counted<P> {
  readonly part: P;
  users: number;
}

const countedBy = new WeakMap<object, ReadonlyMap<string, Counted<unknown>>>();

/** @param previous the tree before, which may let go of its parts earlier or later than this one */
export function openKept<P extends { close(): void }>(previous?: Kept<P>): Kept<P> {
  const before = previous === undefined ? undefined : (countedBy.get(previous) as ReadonlyMap<string, Counted<P>>);
  const held = new Map<string, Counted<P>>();
  const drop = (key: string) => {
    const counted = held.get(key);
    if (counted === undefined) return;
    held.delete(key);
    counted.users -= 1;
    if (counted.users === 0) counted.part.close();
  };
  const kept: Kept<P> = {
    use(key, open) {
      const known = held.get(key);
      if (known !== undefined) return known.part;
      const counted = before?.get(key) ?? { part: open(), users: 0 };
      counted.users += 1;
      held.set(key, counted);
      return counted.part;
    },
    drop,
    close() {
      for (const key of [...held.keys()].reverse()) drop(key);
    },
  };
  countedBy.set(kept, held);
  return kept;
}
