// What is being asked now, by the key of the question: entries come and go with every miss, which V8's own Map is no place for
// (see core/chain.ts).

export interface Table<V> {
  get(key: string): V | undefined;
  has(key: string): boolean;
  set(key: string, value: V): void;
  delete(key: string): void;
}

/** Keys end in a digest, so that their last byte says nothing but where to look. */
const BUCKETS = 256;

interface Entry<V> {
  readonly key: string;
  value: V;
}

export function openTable<V>(): Table<V> {
  const buckets: Entry<V>[][] = Array.from({ length: BUCKETS }, () => []);
  // an empty key has no last byte
  const bucketOf = (key: string) => buckets[(key.charCodeAt(key.length - 1) || 0) % BUCKETS] as Entry<V>[];
  const find = (key: string) => bucketOf(key).find((entry) => entry.key === key);
  return {
    get: (key) => find(key)?.value,
    has: (key) => find(key) !== undefined,
    set(key, value) {
      const known = find(key);
      if (known === undefined) bucketOf(key).push({ key, value });
      else known.value = value;
    },
    delete(key) {
      const bucket = bucketOf(key);
      const at = bucket.findIndex((entry) => entry.key === key);
      if (at === -1) return;
      const last = bucket.pop();
      if (last !== undefined && at < bucket.length) bucket[at] = last;
    },
  };
}
