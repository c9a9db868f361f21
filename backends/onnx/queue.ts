// The runs that wait for a worker: bounded for each model, taken round-robin over the models.

export interface FairQueue<T> {
  readonly size: number;
  /** Puts it behind the others of its model; false when the model's queue is full. */
  push(model: string, entry: T): boolean;
  /** Puts back, before the others of its model, what had been taken and did not run; never refused. */
  putBack(model: string, entry: T): void;
  /** Takes out one whose caller has left; false when it is not here. */
  remove(model: string, entry: T): boolean;
  /**
   * Takes the first entry that `suits` of the next model in turn that has one. A model that was passed over because none
   * of its entries suits keeps its turn.
   */
  take(suits: (entry: T) => boolean): T | undefined;
  /** Takes out everything. */
  drain(): T[];
}

/** @param maxPerModel how many may wait for one model */
export function openQueue<T>(maxPerModel: number): FairQueue<T> {
  // Insertion order is the order of turns: a served model goes to the end. Sets, since a caller leaves from the middle.
  const models = new Map<string, Line<T>>();
  let size = 0;

  const lineOf = (model: string): Line<T> => {
    const line = models.get(model) ?? { returned: [], waiting: new Set() };
    models.set(model, line);
    return line;
  };
  const lengthOf = (line: Line<T>) => line.returned.length + line.waiting.size;
  const shorten = (model: string, line: Line<T>) => {
    size -= 1;
    if (lengthOf(line) === 0) models.delete(model);
  };

  return {
    get size() {
      return size;
    },
    push(model, entry) {
      const known = models.get(model);
      if (known !== undefined && lengthOf(known) >= maxPerModel) return false;
      lineOf(model).waiting.add(entry);
      size += 1;
      return true;
    },
    putBack(model, entry) {
      lineOf(model).returned.push(entry);
      size += 1;
    },
    remove(model, entry) {
      const line = models.get(model);
      if (line === undefined) return false;
      if (!takeOut(line, entry)) return false;
      shorten(model, line);
      return true;
    },
    take(suits) {
      for (const [model, line] of models) {
        const entry = firstThat(line, suits);
        if (entry === undefined) continue;
        takeOut(line, entry);
        models.delete(model);
        if (lengthOf(line) > 0) models.set(model, line);
        size -= 1;
        return entry;
      }
      return undefined;
    },
    drain() {
      const all = [...models.values()].flatMap((line) => [...line.returned, ...line.waiting]);
      models.clear();
      size = 0;
      return all;
    },
  };
}

interface Line<T> {
  readonly returned: T[];
  readonly waiting: Set<T>;
}

// Beyond the first: versions of a model may be in different workers, and the one in front must not hold up the others.
function firstThat<T>(line: Line<T>, suits: (entry: T) => boolean): T | undefined {
  for (const entry of line.returned) if (suits(entry)) return entry;
  for (const entry of line.waiting) if (suits(entry)) return entry;
  return undefined;
}

function takeOut<T>(line: Line<T>, entry: T): boolean {
  const at = line.returned.indexOf(entry);
  if (at === -1) return line.waiting.delete(entry);
  line.returned.splice(at, 1);
  return true;
}
