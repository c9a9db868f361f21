// The members that wait in one bucket: by priority, and within a priority by turns of the tenants.

import type { Member } from "./member.ts";

export interface Line {
  readonly rows: number;
  readonly requests: number;
  /** The highest priority in it, as a number that is lower the higher it is. */
  readonly top: number;
  /** The one that waits longest. */
  oldest(): Member | undefined;
  add(member: Member): void;
  /** Takes it out; false when it is not there. */
  remove(member: Member): boolean;
  /** The members as they should be served. Nothing may be added or taken out on the way. */
  order(): Generator<Member, void, void>;
}

type Tenants = Map<string, Set<Member>>;

export function openLine(): Line {
  const levels = new Map<number, Tenants>();
  let rows = 0;
  // in the order of arrival
  const all = new Set<Member>();
  return {
    get rows() {
      return rows;
    },
    get requests() {
      return all.size;
    },
    get top() {
      return Math.min(...levels.keys());
    },
    oldest: () => all.values().next().value,
    add(member) {
      const tenants = levels.get(levelOf(member)) ?? new Map<string, Set<Member>>();
      levels.set(levelOf(member), tenants);
      const own = tenants.get(tenantOf(member)) ?? new Set<Member>();
      tenants.set(tenantOf(member), own);
      own.add(member);
      all.add(member);
      rows += member.rows;
    },
    remove(member) {
      if (!all.delete(member)) return false;
      rows -= member.rows;
      takeOut(levels, member);
      return true;
    },
    *order() {
      const sorted = [...levels.keys()].sort((a, b) => a - b);
      for (const level of sorted) yield* byTurns(levels.get(level) ?? new Map());
    },
  };
}

/** 1 is the highest priority; whoever says nothing comes last. */
function levelOf({ call }: Member): number {
  return call.priority === 0 ? Number.POSITIVE_INFINITY : call.priority;
}

function tenantOf({ call }: Member): string {
  return call.tenant ?? "";
}

function takeOut(levels: Map<number, Tenants>, member: Member): void {
  const level = levelOf(member);
  const tenants = levels.get(level);
  const own = tenants?.get(tenantOf(member));
  if (tenants === undefined || own === undefined) return;
  own.delete(member);
  tenants.delete(tenantOf(member));
  // to the end: the tenant that was served last is the next one's turn over
  if (own.size > 0) tenants.set(tenantOf(member), own);
  if (tenants.size === 0) levels.delete(level);
}

/** Always the tenant that has had the fewest rows of this batch so far. */
function* byTurns(tenants: Tenants): Generator<Member, void, void> {
  const [only] = tenants.values();
  if (only !== undefined && tenants.size === 1) {
    yield* only;
    return;
  }
  const turns = [...tenants.values()].map((own) => ({ rest: own.values(), had: 0 }));
  while (turns.length > 0) {
    const next = turns.reduce((least, one) => (one.had < least.had ? one : least));
    const { value: member, done } = next.rest.next();
    if (done) {
      turns.splice(turns.indexOf(next), 1);
      continue;
    }
    next.had += member.rows;
    yield member;
  }
}
