// Which of the members that wait go into the next batch, and which are refused because they would come too late.

import type { Cost } from "./learn.ts";
import type { Line } from "./line.ts";
import type { Member } from "./member.ts";

/** Why a batch was let go when it was. */
export type Reason = "slot-free" | "full" | "deadline" | "preferred" | "delay";

export interface Limits {
  /** The most rows that are worth joining, at least 1. */
  readonly rows: number;
  /** The rows from which a batch is called full. */
  readonly full: number;
  readonly bytes: number;
  /** Sizes that the model likes: the largest one that is reached is taken. */
  readonly preferred: readonly number[];
  /** What a batch costs; nobody is refused before it is known. */
  readonly cost: Cost | undefined;
  /** What a batch waits at the endpoint before it runs, in milliseconds. */
  readonly waitMs: number;
  readonly now: number;
}

export interface Formed {
  readonly members: readonly Member[];
  readonly rows: number;
  /** They cannot be answered in time, or only by a batch that is far too small. */
  readonly late: readonly Member[];
  readonly reason: Reason;
}

/**
 * The next batch: at least one member unless all that wait are late. A member with more rows than the limits goes alone.
 * Nothing is taken out of the line.
 */
export function formBatch(line: Line, limits: Limits): Formed {
  const { kept, late, allowed } = windowOf(line, limits);
  const most = Math.min(limits.rows, allowed);
  // those whose time is shortest must be in the batch that was cut for them
  const byDeadline = allowed < limits.rows ? [...kept].sort(sooner) : kept;
  const fitting = takeWhile(byDeadline, { rows: most, bytes: limits.bytes });
  const total = rowsIn(fitting);
  const liked = limits.preferred.findLast((size) => size <= total);
  const members = liked === undefined ? fitting : takeWhile(fitting, { rows: liked, bytes: limits.bytes });
  const rows = rowsIn(members);
  return { members, rows, late, reason: reasonOf({ rows, liked, allowed }, limits) };
}

interface Window {
  readonly kept: readonly Member[];
  readonly late: readonly Member[];
  /** Rows that the tightest deadline of those kept leaves time for. */
  readonly allowed: number;
}

/** Members from the front, as many as could go at once, without those that are late. */
function windowOf(line: Line, limits: Limits): Window {
  const kept: Member[] = [];
  const late: Member[] = [];
  let [rows, lateRows, allowed] = [0, 0, Number.POSITIVE_INFINITY];
  for (const member of orderOf(line, limits)) {
    if (rows >= limits.rows) break;
    const own = allowedRows(member, limits);
    const wanted = Math.min(line.rows - lateRows, limits.rows);
    if (own < member.rows || own < wanted / 2) {
      late.push(member);
      lateRows += member.rows;
      continue;
    }
    kept.push(member);
    rows += member.rows;
    allowed = Math.min(allowed, own);
  }
  return { kept, late, allowed };
}

/**
 * While nobody knows how long a run takes, whoever has waited longest may be too late to be answered and to teach it: then
 * those with the most time left go first, else a line that is too long would never be learned from.
 */
function orderOf(line: Line, { cost, rows }: Limits): Iterable<Member> {
  if (cost !== undefined || line.rows <= rows) return line.order();
  return [...line.order()].sort((a, b) => sooner(b, a));
}

function sooner(a: Member, b: Member): number {
  return a.call.deadline === b.call.deadline ? 0 : a.call.deadline - b.call.deadline;
}

/** How many rows a batch may have that is to be finished in the member's time. */
function allowedRows({ call }: Member, { cost, waitMs, now }: Limits): number {
  if (cost === undefined || call.deadline === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  const left = call.deadline - now - waitMs - cost.B - cost.overMs;
  if (left < 0) return 0;
  return cost.a === 0 ? Number.POSITIVE_INFINITY : Math.floor(left / cost.a);
}

function takeWhile(members: readonly Member[], most: { readonly rows: number; readonly bytes: number }): Member[] {
  const taken: Member[] = [];
  let [rows, bytes] = [0, 0];
  for (const member of members) {
    rows += member.rows;
    bytes += member.bytes;
    if (taken.length > 0 && (rows > most.rows || bytes > most.bytes)) break;
    taken.push(member);
  }
  return taken;
}

function rowsIn(members: readonly Member[]): number {
  return members.reduce((sum, member) => sum + member.rows, 0);
}

interface Made {
  readonly rows: number;
  readonly liked: number | undefined;
  readonly allowed: number;
}

function reasonOf({ rows, liked, allowed }: Made, limits: Limits): Reason {
  if (liked !== undefined && liked === rows) return "preferred";
  if (rows >= limits.full) return "full";
  return allowed < limits.rows && rows >= allowed ? "deadline" : "slot-free";
}

/** The smallest of the model's sizes that holds so many rows; the rows themselves where there is none. */
export function paddedRows(rows: number, sizes: readonly number[]): number {
  return sizes.find((size) => size >= rows) ?? rows;
}
