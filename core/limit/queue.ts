// Those who wait for a permit, bounded: by priority, within a priority by turns of the tenants, and within a tenant by arrival.

import type { Call } from "../call.ts";

/** What the queue looks at of one that waits. */
export interface Waiting {
  readonly tenant: string;
  /** A number that is lower the higher the priority is. */
  readonly level: number;
  /** At least 1: the tenants' turns are counted in rows. */
  readonly rows: number;
}

export interface Queue<T extends Waiting> {
  readonly size: number;
  /**
   * Adds one that is not in it. When the queue is full somebody loses: of the lowest priority there is, the tenant with the most rows loses its
   * newest, or its oldest where `newestFirst`.
   *
   * @returns who lost its place, perhaps the newcomer itself; undefined where there was room
   */
  add(one: T, newestFirst: boolean): T | undefined;
  /** Takes it out; false when it is not there. */
  remove(one: T): boolean;
  /** Takes out who is next of those that suit; of all when nothing is said. */
  take(newestFirst: boolean, suits?: (one: T) => boolean): T | undefined;
  /** The one that has waited longest. */
  oldest(): T | undefined;
  /** Of the lowest priority that waits, the one that has waited longest. */
  oldestOfLowest(): T | undefined;
  /** How many would be served before a newcomer like this one, if all were served in the order of arrival. */
  ahead(newcomer: Waiting): number;
}

/** One priority: its tenants, each with what waits, in the order of arrival. */
interface Level<T> {
  readonly number: number;
  readonly tenants: Map<string, Tenant<T>>;
  /** In the order of arrival. */
  readonly all: Set<T>;
  /** The turn that was served last; a tenant that comes begins here, and so gains nothing by having been away. */
  turn: number;
}

interface Tenant<T> {
  readonly ones: Chain<T>;
  rows: number;
  /** Rows it was served, counted from the turn at which it came. */
  turn: number;
}

/** A priority beyond any that a request may ask for is as good as the last one. */
const LAST = 2 ** 32;

/** What a place in the queue depends on. */
export type Waiter = Pick<Call, "tenant" | "priority" | "purpose">;

/** 1 is the highest priority; whoever says nothing comes after all who do, and what no user waits for comes last. */
export function seatOf(rows: number, { tenant = "", priority, purpose }: Waiter): Waiting {
  const said = priority === 0 ? LAST : Math.min(priority, LAST - 1);
  return { tenant, level: purpose === "user" ? said : LAST + 1, rows: Math.max(1, rows) };
}

/** @param most how many may wait, at least 1 */
export function openQueue<T extends Waiting>(most: number): Queue<T> {
  const levels = new Map<number, Level<T>>();
  const all = new Set<T>();

  const put = (one: T) => {
    let level = levels.get(one.level);
    if (level === undefined) {
      level = { number: one.level, tenants: new Map(), all: new Set(), turn: 0 };
      levels.set(one.level, level);
    }
    let tenant = level.tenants.get(one.tenant);
    if (tenant === undefined) {
      tenant = { ones: openChain(), rows: 0, turn: level.turn };
      level.tenants.set(one.tenant, tenant);
    }
    tenant.ones.add(one);
    tenant.rows += one.rows;
    level.all.add(one);
    all.add(one);
  };
  const remove = (one: T): boolean => {
    if (!all.delete(one)) return false;
    const level = levels.get(one.level);
    const tenant = level?.tenants.get(one.tenant);
    if (level === undefined || tenant === undefined) return true;
    tenant.ones.remove(one);
    tenant.rows -= one.rows;
    level.all.delete(one);
    if (tenant.ones.size === 0) level.tenants.delete(one.tenant);
    if (level.all.size === 0) levels.delete(one.level);
    return true;
  };

  const serve = ({ level, tenant, one }: Found<T>): T => {
    level.turn = tenant.turn;
    tenant.turn += one.rows;
    remove(one);
    return one;
  };

  return {
    get size() {
      return all.size;
    },
    add(one, newestFirst) {
      put(one);
      if (all.size <= most) return undefined;
      const lowest = lowestOf(levels);
      const fattest =
        lowest === undefined ? undefined : fattestOf(lowest, one.level === lowest.number ? one.tenant : undefined);
      const loser = (newestFirst ? fattest?.ones.first() : fattest?.ones.last()) ?? one;
      remove(loser);
      return loser;
    },
    remove,
    take(newestFirst, suits) {
      const level = highestOf(levels);
      const tenant = level === undefined ? undefined : nextOf(level);
      const one = newestFirst ? tenant?.ones.last() : tenant?.ones.first();
      if (level === undefined || tenant === undefined || one === undefined) return undefined;
      if (suits === undefined || suits(one)) return serve({ level, tenant, one });
      const other = firstThat(levels, suits, newestFirst);
      return other === undefined ? undefined : serve(other);
    },
    oldest: () => all.values().next().value,
    oldestOfLowest: () => lowestOf(levels)?.all.values().next().value,
    ahead({ level: number, tenant }) {
      let before = 0;
      for (const level of levels.values()) {
        if (level.number < number) before += level.all.size;
        if (level.number !== number) continue;
        const own = level.tenants.get(tenant)?.ones.size ?? 0;
        const tenants = level.tenants.size + (own === 0 ? 1 : 0);
        before += Math.min(level.all.size, (own + 1) * tenants - 1);
      }
      return before;
    },
  };
}

function highestOf<T>(levels: ReadonlyMap<number, Level<T>>): Level<T> | undefined {
  return levels.size < 2 ? levels.values().next().value : levels.get(Math.min(...levels.keys()));
}

function lowestOf<T>(levels: ReadonlyMap<number, Level<T>>): Level<T> | undefined {
  return levels.size < 2 ? levels.values().next().value : levels.get(Math.max(...levels.keys()));
}

/** The tenant whose turn it is: the one that was served the fewest rows. */
function nextOf<T>({ tenants }: Level<T>): Tenant<T> | undefined {
  let next: Tenant<T> | undefined;
  for (const tenant of tenants.values()) if (next === undefined || tenant.turn < next.turn) next = tenant;
  return next;
}

interface Found<T> {
  readonly level: Level<T>;
  readonly tenant: Tenant<T>;
  readonly one: T;
}

/** Who is next of those that suit, where who is next of all does not. */
function firstThat<T>(
  levels: ReadonlyMap<number, Level<T>>,
  suits: (one: T) => boolean,
  newestFirst: boolean,
): Found<T> | undefined {
  for (const level of [...levels.values()].sort((a, b) => a.number - b.number)) {
    for (const tenant of [...level.tenants.values()].sort((a, b) => a.turn - b.turn)) {
      for (const one of tenant.ones.values(newestFirst)) if (suits(one)) return { level, tenant, one };
    }
  }
  return undefined;
}

/** The tenant with the most rows; the newcomer's own where several have as many. */
function fattestOf<T>({ tenants }: Level<T>, newcomer: string | undefined): Tenant<T> | undefined {
  let fattest = newcomer === undefined ? undefined : tenants.get(newcomer);
  for (const tenant of tenants.values()) if (fattest === undefined || tenant.rows > fattest.rows) fattest = tenant;
  return fattest;
}

/** Values in the order in which they came, with both ends at hand and any of them taken out at once. */
interface Chain<T> {
  readonly size: number;
  first(): T | undefined;
  last(): T | undefined;
  values(newestFirst: boolean): Generator<T, void, void>;
  add(value: T): void;
  remove(value: T): void;
}

interface Link<T> {
  readonly value: T;
  before: Link<T> | undefined;
  after: Link<T> | undefined;
}

function openChain<T>(): Chain<T> {
  const links = new Map<T, Link<T>>();
  let first: Link<T> | undefined;
  let last: Link<T> | undefined;
  return {
    get size() {
      return links.size;
    },
    first: () => first?.value,
    last: () => last?.value,
    *values(newestFirst) {
      for (let link = newestFirst ? last : first; link !== undefined; link = newestFirst ? link.before : link.after) {
        yield link.value;
      }
    },
    add(value) {
      const link: Link<T> = { value, before: last, after: undefined };
      links.set(value, link);
      if (last === undefined) first = link;
      else last.after = link;
      last = link;
    },
    remove(value) {
      const link = links.get(value);
      if (link === undefined) return;
      links.delete(value);
      if (link.before === undefined) first = link.after;
      else link.before.after = link.after;
      if (link.after === undefined) last = link.before;
      else link.after.before = link.before;
    },
  };
}
