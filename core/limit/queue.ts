// Those who wait for a permit, bounded: by priority, within a priority by turns of the tenants, and within a tenant by arrival.

import type { Call } from "../call.ts";
import { type Chain, type Link, openChain } from "../chain.ts";

/** What the queue looks at of one that waits. */
export interface Waiting {
  readonly tenant: string;
  /** A number that is lower the higher the priority is. */
  readonly level: number;
  /** At least 1: the tenants' turns are counted in rows. */
  readonly rows: number;
  /** Where it stands: a matter of the queue that it is in. */
  place?: object | undefined;
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
  readonly tenants: Tenant<T>[];
  readonly all: Chain<T>;
  /** The turn that was served last; a tenant that comes begins here, and so gains nothing by having been away. */
  turn: number;
}

interface Tenant<T> {
  readonly name: string;
  readonly ones: Chain<T>;
  rows: number;
  /** Rows it was served, counted from the turn at which it came. */
  turn: number;
}

interface Place<T> {
  readonly level: Level<T>;
  readonly tenant: Tenant<T>;
  readonly inAll: Link<T>;
  readonly inLevel: Link<T>;
  readonly inTenant: Link<T>;
}

/** A priority beyond any that a request may ask for is as good as the last one. */
const LAST = 2 ** 32;

/** What a place in the queue depends on. */
export type Waiter = Pick<Call, "tenant" | "priority" | "purpose">;

/** 1 is the highest priority; whoever says nothing comes after all who do, and what no user waits for comes last. */
export function seatOf(rows: number, { tenant = "", priority, purpose }: Waiter): Waiting {
  const said = priority === 0 ? LAST : Math.min(priority, LAST - 1);
  return { tenant, level: purpose === "user" ? said : LAST + 1, rows: Math.max(1, rows), place: undefined };
}

/** @param most how many may wait, at least 1 */
export function openQueue<T extends Waiting>(most: number): Queue<T> {
  /** The highest priority first; none of them, and no tenant, has nothing that waits. */
  const levels: Level<T>[] = [];
  const all = openChain<T>();

  const levelOf = (number: number): Level<T> => {
    let at = levels.findIndex((level) => level.number >= number);
    if (at === -1) at = levels.length;
    const known = levels[at];
    if (known?.number === number) return known;
    const level: Level<T> = { number, tenants: [], all: openChain(), turn: 0 };
    levels.splice(at, 0, level);
    return level;
  };
  const put = (one: T) => {
    const level = levelOf(one.level);
    let tenant = tenantIn(level, one.tenant);
    if (tenant === undefined) {
      tenant = { name: one.tenant, ones: openChain(), rows: 0, turn: level.turn };
      level.tenants.push(tenant);
    }
    tenant.rows += one.rows;
    const links = { inAll: all.add(one), inLevel: level.all.add(one), inTenant: tenant.ones.add(one) };
    one.place = { level, tenant, ...links } satisfies Place<T>;
  };
  const remove = (one: T): boolean => {
    const place = one.place as Place<T> | undefined;
    if (place === undefined || !all.remove(place.inAll)) return false;
    const { level, tenant, inLevel, inTenant } = place;
    one.place = undefined;
    level.all.remove(inLevel);
    tenant.ones.remove(inTenant);
    tenant.rows -= one.rows;
    if (tenant.ones.size() === 0) level.tenants.splice(level.tenants.indexOf(tenant), 1);
    if (level.all.size() === 0) levels.splice(levels.indexOf(level), 1);
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
      return all.size();
    },
    add(one, newestFirst) {
      put(one);
      if (all.size() <= most) return undefined;
      const lowest = levels.at(-1);
      const fattest =
        lowest === undefined ? undefined : fattestOf(lowest, one.level === lowest.number ? one.tenant : undefined);
      const loser = (newestFirst ? fattest?.ones.first() : fattest?.ones.last()) ?? one;
      remove(loser);
      return loser;
    },
    remove,
    take(newestFirst, suits) {
      const [level] = levels;
      const tenant = level === undefined ? undefined : nextOf(level);
      const one = newestFirst ? tenant?.ones.last() : tenant?.ones.first();
      if (level === undefined || tenant === undefined || one === undefined) return undefined;
      if (suits === undefined || suits(one)) return serve({ level, tenant, one });
      const other = firstThat(levels, suits, newestFirst);
      return other === undefined ? undefined : serve(other);
    },
    oldest: () => all.first(),
    oldestOfLowest: () => levels.at(-1)?.all.first(),
    ahead({ level: number, tenant }) {
      let before = 0;
      for (const level of levels) {
        if (level.number < number) before += level.all.size();
        if (level.number !== number) continue;
        const own = tenantIn(level, tenant)?.ones.size() ?? 0;
        const tenants = level.tenants.length + (own === 0 ? 1 : 0);
        before += Math.min(level.all.size(), (own + 1) * tenants - 1);
      }
      return before;
    },
  };
}

function tenantIn<T>({ tenants }: Level<T>, name: string): Tenant<T> | undefined {
  return tenants.find((tenant) => tenant.name === name);
}

/** The tenant whose turn it is: the one that was served the fewest rows. */
function nextOf<T>({ tenants }: Level<T>): Tenant<T> | undefined {
  let next: Tenant<T> | undefined;
  for (const tenant of tenants) if (next === undefined || tenant.turn < next.turn) next = tenant;
  return next;
}

interface Found<T> {
  readonly level: Level<T>;
  readonly tenant: Tenant<T>;
  readonly one: T;
}

/** Who is next of those that suit, where who is next of all does not. */
function firstThat<T>(
  levels: readonly Level<T>[],
  suits: (one: T) => boolean,
  newestFirst: boolean,
): Found<T> | undefined {
  for (const level of levels) {
    for (const tenant of [...level.tenants].sort((a, b) => a.turn - b.turn)) {
      for (const one of tenant.ones.values(newestFirst)) if (suits(one)) return { level, tenant, one };
    }
  }
  return undefined;
}

/** The tenant with the most rows; the newcomer's own where several have as many. */
function fattestOf<T>(level: Level<T>, newcomer: string | undefined): Tenant<T> | undefined {
  let fattest = newcomer === undefined ? undefined : tenantIn(level, newcomer);
  for (const tenant of level.tenants) if (fattest === undefined || tenant.rows > fattest.rows) fattest = tenant;
  return fattest;
}
