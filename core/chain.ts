// A line of what comes and goes with requests, in the order in which it came. V8's own Set and Map are no place for it: each time
// one of them makes room anew, its old table points to the new one, and once one of these tables has grown old, each scavenge
// keeps all that lies in the later ones, dead or alive, until the whole heap is marked. A WeakMap keeps its values likewise. So does
// a getter in an object literal, and a generator function that is made for each request, what it can see: each has a hidden class
// of its own, which is old from the beginning. test/integration/gateway/garbage.test.ts holds the gateway to it.

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
  return new Links<T>();
}

class Links<T> implements Chain<T> {
  #size = 0;
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;

  size(): number {
    return this.#size;
  }

  first(): T | undefined {
    return this.#first?.value;
  }

  last(): T | undefined {
    return this.#last?.value;
  }

  *values(newestFirst = false): Generator<T, void, void> {
    let link = newestFirst ? this.#last : this.#first;
    while (link !== undefined) {
      yield link.value;
      link = newestFirst ? link.before : link.after;
    }
  }

  add(value: T): Link<T> {
    const link: Link<T> = { value, before: this.#last, after: undefined, of: this };
    if (this.#last === undefined) this.#first = link;
    else this.#last.after = link;
    this.#last = link;
    this.#size += 1;
    return link;
  }

  shift(): T | undefined {
    const link = this.#first;
    if (link === undefined) return undefined;
    this.remove(link);
    return link.value;
  }

  remove(link: Link<T>): boolean {
    if (link.of !== this) return false;
    const { before, after } = link;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    // what is gone points to nothing that came later
    link.of = undefined;
    link.before = undefined;
    link.after = undefined;
    this.#size -= 1;
    return true;
  }
}
