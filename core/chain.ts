// A line of what comes and goes with requests, in the order in which it came. V8's own Set and Map are no place for it: each time
// one of them makes room anew, its old table points to the new one, and once one of these tables has grown old, each scavenge
// keeps all that lies in the later ones, dead or alive, until the whole heap is marked. A WeakMap keeps its values likewise. So does
// an object literal with a getter what the getter can see: each has a hidden class of its own, which is old from the beginning.

/** A place in a chain, by which its value is taken out at once. */
export interface Link<T> {
  readonly value: T;
  before: Link<T> | undefined;
  after: Link<T> | undefined;
  /** The chain that it is in; undefined once it has been taken out. */
  of: Chain<T> | undefined;
}

export interface Chain<T> {
  size(): number;
  first(): T | undefined;
  last(): T | undefined;
  /** None may be taken out on the way. */
  values(newestFirst?: boolean): Generator<T, void, void>;
  add(value: T): Link<T>;
  /** Takes out the first. */
  shift(): T | undefined;
  /** False where it is not in this chain, or no longer. */
  remove(link: Link<T>): boolean;
}

export function openChain<T>(): Chain<T> {
  let size = 0;
  let first: Link<T> | undefined;
  let last: Link<T> | undefined;
  const remove = (link: Link<T>): boolean => {
    if (link.of !== chain) return false;
    const { before, after } = link;
    if (before === undefined) first = after;
    else before.after = after;
    if (after === undefined) last = before;
    else after.before = before;
    // what is gone points to nothing that came later
    link.of = undefined;
    link.before = undefined;
    link.after = undefined;
    size -= 1;
    return true;
  };
  const chain: Chain<T> = {
    size: () => size,
    first: () => first?.value,
    last: () => last?.value,
    *values(newestFirst = false) {
      for (let link = newestFirst ? last : first; link !== undefined; link = newestFirst ? link.before : link.after) {
        yield link.value;
      }
    },
    add(value) {
      const link: Link<T> = { value, before: last, after: undefined, of: chain };
      if (last === undefined) first = link;
      else last.after = link;
      last = link;
      size += 1;
      return link;
    },
    shift() {
      const link = first;
      if (link === undefined) return undefined;
      remove(link);
      return link.value;
    },
    remove,
  };
  return chain;
}
