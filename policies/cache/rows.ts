// Row by row: rows that were answered before come from the cache, only the others go to the model.

import type { Call } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { InferError } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import type { RunSliced } from "../../core/run.ts";
import type { Service } from "../../core/service.ts";
import { bytesOf } from "../batch/key.ts";
import { mergeRequests } from "../batch/merge.ts";
import { joinReplies, splitReply } from "../batch/split.ts";
import { inOrder } from "./copy.ts";
import type { Found, Keeper } from "./keeper.ts";
import type { Question, RowQuestion } from "./question.ts";
import {
  askedIn,
  isOneRow,
  type LandedRows,
  type RowAnswer,
  type RowAnswers,
  type RowFlights,
  type Rows,
  sourcesOf,
} from "./row-flights.ts";

/** A request whose rows are looked up one by one. */
export interface AskedRows {
  readonly request: InferRequest;
  readonly call: Call;
  readonly rows: readonly RowQuestion[];
  /** Kept answers will not do. */
  readonly anew: boolean;
  /** Nothing but kept answers will do. */
  readonly onlyKept: boolean;
}

/** The answer, put together in the order of the rows. */
export interface GotRows {
  readonly reply: Reply;
  /** How many rows came from the cache. */
  readonly kept: number;
  /** Rows that the model was asked for here, and not for others that came at the same time. */
  readonly asked: number;
  /** The age of the oldest of the kept rows, in milliseconds. */
  readonly ageMs: number;
}

export interface RowsParts {
  readonly next: Service;
  readonly keeper: Keeper;
  readonly env: Env;
  readonly run: RunSliced;
  readonly flights: RowFlights;
  signature(signal: AbortSignal): Promise<ModelMetadata>;
}

const SMALL_BYTES = 512 * 1024;
const NOTHING: LandedRows = { answers: new Map(), asked: 0, sources: 0 };

/**
 * Undefined when only kept answers would do and some are missing.
 *
 * @throws InferError what the model threw; bad-backend when its answer has not the rows that were sent
 */
export function openRowAsking(parts: RowsParts): (asked: AskedRows) => Promise<GotRows | undefined> {
  const { next, keeper, env, run, flights } = parts;

  /** The model's answers to these rows, by one call. */
  const askModel = async (rows: readonly RowQuestion[], call: Call, { request }: AskedRows) => {
    const how = { small: bytesOf(request) <= SMALL_BYTES, signal: call.signal };
    const merged = await run(mergeRequests(rows.map((row) => row.request)), how);
    const signature = await parts.signature(call.signal).catch(() => undefined);
    const began = env.clock.now();
    const reply = await next(merged, call);
    const askedMs = (env.clock.now() - began) / rows.length;
    const counts = new Array<number>(rows.length).fill(1);
    const answers = await run(splitReply(reply, { rows: rows.length, counts, request, signature }), how);
    return { answers, askedMs };
  };

  /** What the shared store has of these rows, and of the others the model's answers. */
  const ask = async (rows: Rows, call: Call, asked: AskedRows): Promise<RowAnswers> => {
    const answers = new Map<string, RowAnswer>();
    const { look, found } = await keeper.findRowsShared(questionsOf(rows.values()), asked);
    for (const [key, one] of found) if (isOneRow(one.answer)) answers.set(key, keptRow(one));
    const missing = [...rows].filter(([key]) => !answers.has(key)).map(([, row]) => row);
    if (missing.length === 0) return answers;
    const made = await askModel(missing, call, asked);
    for (const [i, { question }] of missing.entries()) {
      const answer = made.answers[i];
      if (answer !== undefined) answers.set(question.flight, { answer, keptMs: undefined });
    }
    await keeper.keepRows(questionsOf(missing), { ...made, look });
    return answers;
  };

  /** Undefined where only kept answers would do and the shared store has not all of them either. */
  const askMissing = async (missing: Rows, asked: AskedRows): Promise<LandedRows | undefined> => {
    const { call, anew, onlyKept } = asked;
    if (missing.size === 0) return NOTHING;
    if (!anew && !onlyKept) return flights.ask(missing, call, (rows, at) => ask(rows, at, asked));
    const answers = onlyKept ? await onlyShared(missing) : await ask(missing, call, asked);
    if (answers.size < missing.size) return undefined;
    return { answers, asked: askedIn(answers), sources: sourcesOf(answers) };
  };
  const onlyShared = async (missing: Rows): Promise<RowAnswers> => {
    const { found } = await keeper.findRowsShared(questionsOf(missing.values()), { anew: false });
    return new Map([...found].flatMap(([key, one]) => (isOneRow(one.answer) ? [[key, keptRow(one)] as const] : [])));
  };

  return async (asked) => {
    const { request, call, rows, anew } = asked;
    const found = rows.map(({ question }) => (anew ? undefined : inMemory(keeper.find(question))));
    // of equal rows in one request the model sees one
    const missing = new Map(rows.flatMap((row, i) => (found[i] === undefined ? [[row.question.flight, row]] : [])));
    const landed = await askMissing(missing, asked);
    if (landed === undefined) return undefined;
    const { answers, asked: own, sources: others } = landed;
    const all = rows.map(({ question }, i) => found[i] ?? answers.get(question.flight));
    const ages = all.flatMap((one) => one?.keptMs ?? []);
    const how = { small: bytesOf(request) <= SMALL_BYTES, signal: call.signal };
    const join = () => {
      const replies = all.flatMap((one) => (one === undefined ? [] : [inOrder(one.answer, request.outputs)]));
      return run(joinReplies(replies), how);
    };
    const whole = async (): Promise<GotRows> => {
      return { reply: await next(request, call), kept: 0, asked: own + rows.length, ageMs: 0 };
    };
    const sources = others + (found.some((one) => one !== undefined) ? 1 : 0);
    // the model was replaced or its answers purged meanwhile: some rows may be the old one's and some the new one's
    if (sources > 1 && !rows.every(({ question }) => keeper.isCurrent(question))) return whole();
    try {
      return { reply: await join(), kept: ages.length, asked: own, ageMs: Math.max(0, ...ages) };
    } catch (error) {
      // rows of one call fit each other; those of several may not, as where a model fills up rows to the longest
      if (sources < 2 || !(error instanceof InferError) || error.code !== "bad-backend") throw error;
      return whole();
    }
  };
}

/** Rows are never given stale. */
function inMemory(found: Found | undefined): RowAnswer | undefined {
  return found !== undefined && found.ageMs < found.freshMs && isOneRow(found.answer) ? keptRow(found) : undefined;
}

function keptRow({ answer, ageMs }: Found): RowAnswer {
  return { answer, keptMs: ageMs };
}

function questionsOf(rows: Iterable<RowQuestion>): readonly Question[] {
  return Array.from(rows, ({ question }) => question);
}
