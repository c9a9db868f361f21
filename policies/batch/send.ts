// One batch on its way: joined, sent, taken apart, and each member given its own rows or its error.

import { type Call, checkCall, share, unlessAborted } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { Reply } from "../../core/request.ts";
import type { RunSliced } from "../../core/run.ts";
import type { Service } from "../../core/service.ts";
import type { Facts } from "../../core/trace.ts";
import { isRepeatable } from "../repeatable.ts";
import { mayBeData, runHalving } from "./bisect.ts";
import { paddedRows, type Reason } from "./form.ts";
import type { Member } from "./member.ts";
import { mergeRequests } from "./merge.ts";
import { checkReply, splitReply } from "./split.ts";

export interface Batch {
  readonly members: readonly Member[];
  readonly reason: Reason;
  /** The endpoint chosen for it; absent where the balancer is to choose. */
  readonly endpoint?: string;
  /** What it was chosen by, in words. */
  readonly why?: () => string;
  readonly metadata: ModelMetadata;
}

/** What one call to the backend came to. */
export interface Ran {
  /** With padding. */
  readonly rows: number;
  /** From its sending to its answer, without the wait there, in milliseconds. */
  readonly tookMs: number;
  /** The wait there. */
  readonly queuedMs: number;
  readonly endpoint: string | undefined;
}

export interface SenderOptions {
  readonly model: string;
  readonly version: string;
  readonly env: Env;
  readonly run: RunSliced;
  readonly next: Service;
  readonly sizes: readonly number[];
  /** Whether requests may be run again; see `isRepeatable`. */
  readonly repeatable?: boolean | undefined;
}

/** Work on fewer bytes than this is done at once: a tenth of a millisecond of copying. */
export const SMALL_BYTES = 512 * 1024;

/**
 * Sends a batch; resolves when each of its members has its answer or its error. Never throws. `ran` hears of every call
 * that was answered, as soon as it was.
 */
export type Send = (batch: Batch, ran: (ran: Ran) => void) => Promise<void>;

export function openSender(options: SenderOptions): Send {
  return (batch, ran) => {
    const sentAt = options.env.clock.now();
    return runHalving(batch.members, {
      run: (members) => runOnce({ batch: { ...batch, members }, options, sentAt, ran }),
      mayHalve: (error) => mayBeData(error) && isRepeatable(batch.metadata, options.repeatable),
      waiting: (members) => members.filter((member) => !member.settled),
      fail(members, error) {
        for (const member of members) member.reject(error);
      },
    });
  };
}

interface Sending {
  readonly batch: Batch;
  readonly options: SenderOptions;
  readonly sentAt: number;
  readonly ran: (ran: Ran) => void;
}

interface Work extends Sending {
  readonly rows: number;
  readonly padded: number;
}

async function runOnce(sending: Sending): Promise<void> {
  const { members } = sending.batch;
  const rows = members.reduce((sum, member) => sum + member.rows, 0);
  const padded = paddedRows(rows, sending.options.sizes);
  const [only] = members;
  if (only !== undefined && members.length === 1 && padded === rows) {
    await runAlone(only, { ...sending, rows, padded });
    return;
  }
  await runTogether({ ...sending, rows, padded });
}

/** The request as it is, on its caller's own call. */
async function runAlone(member: Member, work: Work): Promise<void> {
  const { call, request } = member;
  const startedAt = call.clock.now();
  // what an earlier run of it waited is not this one's
  call.trace.learn({ queuedMs: 0 });
  try {
    const reply = await unlessAborted(work.options.next(request, preferring(call, work.batch)), call.signal);
    if (reply.kind === "whole") {
      tellRan(call.trace.facts, work, startedAt);
      checkReply(reply, { rows: work.rows, request, signature: work.batch.metadata });
    }
    member.resolve(reply);
  } finally {
    tellMember(member, work, { ...call.trace.facts });
    emit(call.trace.facts, work, startedAt);
  }
}

async function runTogether(work: Work): Promise<void> {
  const { batch, options, padded, rows } = work;
  const { members } = batch;
  const calls = members.map((member) => member.call);
  const [first, ...others] = calls;
  if (first === undefined) return;
  const shared = share([first, ...others]);
  const small = members.reduce((sum, member) => sum + member.bytes, 0) < SMALL_BYTES;
  let startedAt = options.env.clock.now();
  try {
    const merging = mergeRequests(
      members.map((member) => member.request),
      padded - rows,
    );
    const request = await options.run(merging, { small, signal: shared.signal });
    // all of them may have left while it was joined
    checkCall(shared);
    startedAt = options.env.clock.now();
    const call = preferring(forAll(shared, calls), batch);
    const reply = await unlessAborted(options.next(request, call), shared.signal);
    // before the answer is taken apart: the next batch runs while this one's members are answered
    tellRan(shared.trace.facts, work, startedAt);
    const answers = await options.run(
      splitReply(reply, {
        rows: padded,
        counts: members.map((member) => member.rows),
        request,
        signature: batch.metadata,
      }),
      { small: replyBytes(reply) < SMALL_BYTES, signal: shared.signal },
    );
    for (const [i, member] of members.entries()) member.resolve(answers[i] as Reply);
  } finally {
    shared.end();
    for (const member of members) {
      shared.trace.repeatTo(member.call.trace);
      tellMember(member, work, shared.trace.facts);
    }
    emit(shared.trace.facts, work, startedAt);
  }
}

/** The call of a batch says only what all of its members say. The highest priority is the first one's. */
function forAll(shared: Call, calls: readonly Call[]): Call {
  const { tenant: _, ...rest } = shared;
  const [first] = calls;
  const same = calls.every((call) => call.tenant === first?.tenant);
  return {
    ...rest,
    // what it is now: nobody joins a batch that has been sent
    deadline: shared.deadline,
    headers: commonHeaders(calls),
    ...(same && first?.tenant !== undefined ? { tenant: first.tenant } : {}),
  };
}

function commonHeaders([first, ...others]: readonly Call[]): ReadonlyMap<string, string> {
  if (first === undefined || others.every((other) => other.headers === first.headers))
    return first?.headers ?? new Map();
  return new Map(
    [...first.headers].filter(([name, value]) => others.every(({ headers }) => headers.get(name) === value)),
  );
}

function preferring(call: Call, { endpoint, why }: Batch): Call {
  if (endpoint === undefined) return call;
  const preferredBy = why === undefined ? {} : { preferredBy: why };
  return { ...call, attempt: { ...call.attempt, prefer: endpoint, ...preferredBy } };
}

function replyBytes(reply: Reply): number {
  if (reply.kind === "stream") return 0;
  return reply.outputs.reduce((sum, { data }) => sum + data.byteLength, 0);
}

function tellRan(facts: Facts, { options, padded, ran }: Work, startedAt: number): void {
  const queuedMs = facts.queuedMs ?? 0;
  const tookMs = Math.max(0, options.env.clock.now() - startedAt - queuedMs);
  ran({ rows: padded, tookMs, queuedMs, endpoint: facts.endpoint });
}

function tellMember({ call, queuedAt }: Member, { batch, rows, sentAt }: Work, facts: Facts): void {
  const waitedMs = sentAt - queuedAt;
  call.trace.learn({ ...facts, queuedMs: waitedMs + (facts.queuedMs ?? 0) });
  const batched = { rows, others: batch.members.length - 1, reason: batch.reason };
  call.trace.decide("batch", () => saidOf(batched, waitedMs));
}

/** A batch in words. */
export function saidOf(
  { rows, others, reason }: { readonly rows: number; readonly others: number; readonly reason: Reason },
  waitedMs: number,
): string {
  const size = `batch of ${rows} ${rows === 1 ? "row" : "rows"}`;
  const company = others === 0 ? "alone" : `with ${others} ${others === 1 ? "other" : "others"}`;
  return `${size} ${company}, waited ${waitedMs.toFixed(1)} ms, released: ${reason}`;
}

function emit(facts: Facts, { batch, options, rows, sentAt }: Work, startedAt: number): void {
  const { model, version, env } = options;
  const oldest = Math.min(...batch.members.map((member) => member.queuedAt));
  env.emit({
    type: "batch-sent",
    model,
    version,
    backend: facts.backend ?? "",
    rows,
    requests: batch.members.length,
    waitedMs: sentAt - oldest,
    ranMs: Math.max(0, env.clock.now() - startedAt - (facts.queuedMs ?? 0)),
    reason: batch.reason,
  });
}
