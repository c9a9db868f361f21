// Values by key within a budget of bytes, shared fairly by shelves: the one door to lru-cache.

import { LRUCache } from "lru-cache";
import { openSketch } from "./sketch.ts";

export interface StoreOptions<V> {
  /** Of all shelves together. */
  readonly maxBytes: number;
  /** Of no use to anybody any longer. */
  dead(value: V): boolean;
  /** A shelf's bytes and entries have changed. */
  changed?(shelf: string, bytes: number, entries: number): void;
  /** A value had to go for another, or found no room itself. */
  dropped?(shelf: string, why: "evicted" | "refused"): void;
  /** False: whatever comes is let in, and the one that was used longest ago goes. */
  readonly admission?: boolean;
}

/** The values of one owner. */
export interface Shelf<V> {
  /** The value, which counts as used now. */
  get(key: string): V | undefined;
  /** @param bytes what it takes in memory; @returns whether it was let in */
  set(key: string, value: V, bytes: number): boolean;
  delete(key: string): void;
  /** Deletes what the test says. */
  drop(test: (value: V) => boolean): number;
  readonly bytes: number;
  readonly entries: number;
}

export interface Store<V> {
  /** The shelf of that name: the same for every caller, with the budget that was named last. */
  shelf(name: string, maxBytes: number): Shelf<V>;
  /** Lets go of the shelves of all others. */
  retain(names: ReadonlySet<string>): void;
  shelves(): ReadonlyMap<string, Shelf<V>>;
  readonly bytes: number;
}

/** For one value at most so many others go. */
const MOST_EVICTIONS = 1_000;

interface Held<V extends object> {
  readonly name: string;
  readonly values: LRUCache<string, V>;
  maxBytes: number;
  readonly shelf: Shelf<V>;
}

/**
 * What is full keeps what is asked for more often: a new value takes the place of the one used longest ago only when it was
 * asked for more often of late. Where all shelves together are full, the fullest of them gives.
 */
export function openStore<V extends object>(options: StoreOptions<V>): Store<V> {
  const { maxBytes, dead, changed = () => {}, dropped = () => {}, admission = true } = options;
  const sketch = openSketch();
  const held = new Map<string, Held<V>>();
  const total = () => {
    let bytes = 0;
    for (const { values } of held.values()) bytes += values.calculatedSize;
    return bytes;
  };
  const tell = ({ name, values }: Held<V>) => changed(name, values.calculatedSize, values.size);

  /** Who has to give something up for `bytes` more in `own`; undefined when there is room. */
  const giver = (own: Held<V>, bytes: number): Held<V> | undefined => {
    if (own.values.calculatedSize + bytes > own.maxBytes) return own;
    if (total() + bytes <= maxBytes) return undefined;
    let fullest = own;
    for (const one of held.values()) {
      const more = fullest === own ? bytes : 0;
      if (one !== own && one.values.calculatedSize > fullest.values.calculatedSize + more) fullest = one;
    }
    return fullest;
  };
  const makeRoom = (own: Held<V>, key: string, bytes: number): boolean => {
    if (bytes > Math.min(own.maxBytes, maxBytes)) return false;
    for (let n = 0; n < MOST_EVICTIONS; n += 1) {
      const from = giver(own, bytes);
      if (from === undefined) return true;
      const [oldest] = from.values.rkeys();
      const value = oldest === undefined ? undefined : from.values.peek(oldest);
      if (oldest === undefined || value === undefined) return false;
      // a shelf that has more than its share gives without being asked
      const mustWin = admission && from === own && !dead(value);
      if (mustWin && sketch.count(key) <= sketch.count(oldest)) return false;
      from.values.delete(oldest);
      dropped(from.name, "evicted");
      if (from !== own) tell(from);
    }
    return false;
  };
  const openShelf = (name: string, most: number): Held<V> => {
    // its own limit is never reached: who goes is decided above
    const values = new LRUCache<string, V>({ maxSize: Number.MAX_SAFE_INTEGER });
    const one: Held<V> = {
      name,
      values,
      maxBytes: most,
      shelf: {
        get(key) {
          sketch.note(key);
          return values.get(key);
        },
        set(key, value, bytes) {
          values.delete(key);
          const isIn = makeRoom(one, key, bytes);
          if (isIn) values.set(key, value, { size: bytes });
          else dropped(name, "refused");
          tell(one);
          return isIn;
        },
        delete(key) {
          if (values.delete(key)) tell(one);
        },
        drop(test) {
          let count = 0;
          for (const [key, value] of [...values.entries()]) if (test(value) && values.delete(key)) count += 1;
          if (count > 0) tell(one);
          return count;
        },
        get bytes() {
          return values.calculatedSize;
        },
        get entries() {
          return values.size;
        },
      },
    };
    return one;
  };

  return {
    shelf(name, most) {
      const known = held.get(name) ?? openShelf(name, most);
      held.set(name, known);
      known.maxBytes = most;
      return known.shelf;
    },
    retain(names) {
      for (const one of [...held.values()]) {
        if (names.has(one.name)) continue;
        held.delete(one.name);
        one.values.clear();
        tell(one);
      }
    },
    shelves: () => new Map([...held].map(([name, { shelf }]) => [name, shelf])),
    get bytes() {
      return total();
    },
  };
}
