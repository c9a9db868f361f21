// The runs that wait for a worker: bounded for each model, taken round-robin over the models, within one by priority and tenant.

import { openQueue as openLine, type Queue, type Waiting } from "../../core/limit/queue.ts";

export interface FairQueue<T extends Waiting> {
  readonly size: number;
  /**
   * Puts it behind the others of its model, priority and tenant.
   *
   * @returns who lost its place in a full queue, perhaps the newcomer itself; undefined where there was room
   */
  push(model: string, entry: T): T | undefined;
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

/**
 * First come first served, also when many wait: who keeps many requests open before a local model has them all answered. Callers
 * who would rather be refused early say so by `limit`.
 *
 * @param maxPerModel how many may wait for one model
 */
export function openQueue<T extends Waiting>(maxPerModel: number): FairQueue<T> {
  // one for each model that ever had to wait
  const known = new Map<string, Line<T>>();
  // Those in which something waits, in the order of turns: a served model goes to the end.
  const lines: Line<T>[] = [];
  // mostly there is one or none, which needs no order
  let only: { readonly model: string; readonly entry: T } | undefined;
  let size = 0;

  /** The line of a model in which something is about to wait. */
  const lineOf = (model: string): Line<T> => {
    const line = known.get(model) ?? { returned: [], waiting: openLine<T>(maxPerModel) };
    known.set(model, line);
    if (lengthOf(line) === 0) lines.push(line);
    return line;
  };
  const put = (model: string, entry: T): T | undefined => {
    const line = lineOf(model);
    // what was put back keeps its place
    if (line.returned.length > 0 && lengthOf(line) >= maxPerModel) return entry;
    const loser = line.waiting.add(entry, false);
    if (loser === undefined) size += 1;
    return loser;
  };
  const settleOnly = () => {
    if (only === undefined) return;
    const { model, entry } = only;
    only = undefined;
    size -= 1;
    put(model, entry);
  };

  return {
    get size() {
      return size;
    },
    push(model, entry) {
      if (size > 0) {
        settleOnly();
        return put(model, entry);
      }
      only = { model, entry };
      size = 1;
      return undefined;
    },
    putBack(model, entry) {
      settleOnly();
      lineOf(model).returned.push(entry);
      size += 1;
    },
    remove(model, entry) {
      settleOnly();
      const line = known.get(model);
      if (line === undefined || !takeOut(line, entry)) return false;
      size -= 1;
      if (lengthOf(line) === 0) lines.splice(lines.indexOf(line), 1);
      return true;
    },
    take(suits) {
      if (only !== undefined) {
        const { entry } = only;
        if (!suits(entry)) return undefined;
        only = undefined;
        size = 0;
        return entry;
      }
      for (const [at, line] of lines.entries()) {
        const entry = firstThat(line, suits);
        if (entry === undefined) continue;
        lines.splice(at, 1);
        if (lengthOf(line) > 0) lines.push(line);
        size -= 1;
        return entry;
      }
      return undefined;
    },
    drain() {
      settleOnly();
      const all = lines.flatMap(({ returned, waiting }) => [...returned.splice(0), ...emptied(waiting)]);
      lines.length = 0;
      size = 0;
      return all;
    },
  };
}

interface Line<T extends Waiting> {
  readonly returned: T[];
  readonly waiting: Queue<T>;
}

function lengthOf<T extends Waiting>({ returned, waiting }: Line<T>): number {
  return returned.length + waiting.size;
}

// Beyond the first: versions of a model may be in different workers, and the one in front must not hold up the others.
function firstThat<T extends Waiting>(line: Line<T>, suits: (entry: T) => boolean): T | undefined {
  const at = line.returned.findIndex(suits);
  if (at !== -1) return line.returned.splice(at, 1)[0];
  return line.waiting.take(false, suits);
}

function takeOut<T extends Waiting>(line: Line<T>, entry: T): boolean {
  const at = line.returned.indexOf(entry);
  if (at === -1) return line.waiting.remove(entry);
  line.returned.splice(at, 1);
  return true;
}

function emptied<T extends Waiting>(waiting: Queue<T>): T[] {
  return Array.from({ length: waiting.size }, () => waiting.take(false)).flatMap((entry) => entry ?? []);
}
