// The members that wait in one bucket: by priority, and within a priority by turns of the tenants.

import { type Chain, type Link, openChain } from "../../core/chain.ts";
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

/** One priority: its tenants, in the order in which they have their turns, each with what waits. */
interface Level {
  readonly number: number;
  readonly tenants: Tenant[];
}

interface Tenant {
  readonly name: string;
  readonly members: Chain<Member>;
}

interface Place {
  readonly level: Level;
  readonly tenant: Tenant;
  readonly inAll: Link<Member>;
  readonly inTenant: Link<Member>;
}

export function openLine(): Line {
  /** The highest priority first; none of them, and no tenant, has nobody who waits. */
  const levels: Level[] = [];
  let rows = 0;
  // in the order of arrival
  const all = openChain<Member>();
  const levelFor = (number: number): Level => {
    let at = levels.findIndex((level) => level.number >= number);
    if (at === -1) at = levels.length;
    const known = levels[at];
    if (known?.number === number) return known;
    const level: Level = { number, tenants: [] };
    levels.splice(at, 0, level);
    return level;
  };
  const tenantFor = ({ tenants }: Level, name: string): Tenant => {
    const known = tenants.find((tenant) => tenant.name === name);
    if (known !== undefined) return known;
    const tenant: Tenant = { name, members: openChain() };
    tenants.push(tenant);
    return tenant;
  };
  return {
    get rows() {
      return rows;
    },
    get requests() {
      return all.size();
    },
    get top() {
      return levels[0]?.number ?? Number.POSITIVE_INFINITY;
    },
    oldest: () => all.first(),
    add(member) {
      const level = levelFor(levelOf(member));
      const tenant = tenantFor(level, tenantOf(member));
      const links = { inAll: all.add(member), inTenant: tenant.members.add(member) };
      member.place = { level, tenant, ...links } satisfies Place;
      rows += member.rows;
    },
    remove(member) {
      const place = member.place as Place | undefined;
      if (place === undefined || !all.remove(place.inAll)) return false;
      const { level, tenant, inTenant } = place;
      member.place = undefined;
      rows -= member.rows;
      tenant.members.remove(inTenant);
      level.tenants.splice(level.tenants.indexOf(tenant), 1);
      // to the end: the tenant that was served last is the next one's turn over
      if (tenant.members.size() > 0) level.tenants.push(tenant);
      if (level.tenants.length === 0) levels.splice(levels.indexOf(level), 1);
      return true;
    },
    order: () => byLevels(levels),
  };
}

/** 1 is the highest priority; whoever says nothing comes last. */
function levelOf({ call }: Member): number {
  return call.priority === 0 ? Number.POSITIVE_INFINITY : call.priority;
}

function tenantOf({ call }: Member): string {
  return call.tenant ?? "";
}

function* byLevels(levels: readonly Level[]): Generator<Member, void, void> {
  for (const { tenants } of levels) yield* byTurns(tenants);
}

/** Always the tenant that has had the fewest rows of this batch so far. */
function* byTurns(tenants: readonly Tenant[]): Generator<Member, void, void> {
  const [only] = tenants;
  if (only !== undefined && tenants.length === 1) {
    yield* only.members.values();
    return;
  }
  const turns = tenants.map(({ members }) => ({ rest: members.values(), had: 0 }));
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
