// Row by row: rows that were answered before come from the cache, only the others go to the model.

import type { Call } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { InferError } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { InferRequest, InferResponse, Reply } from "../../core/request.ts";
import type { RunSliced } from "../../core/run.ts";
import type { Service } from "../../core/service.ts";
import { bytesOf } from "../batch/key.ts";
import { mergeRequests } from "../batch/merge.ts";
import { joinReplies, splitReply } from "../batch/split.ts";
import { inOrder } from "./copy.ts";
import type { Found, Keeper } from "./keeper.ts";
import type { RowQuestion } from "./question.ts";
import { type LandedRows, openRowFlights, type RowAnswers, type Rows } from "./row-flights.ts";

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
  signature(signal: AbortSignal): Promise<ModelMetadata>;
}

const SMALL_BYTES = 512 * 1024;
const NOTHING: LandedRows = { answers: new Map(), asked: 0, calls: 0 };

/**
 * Undefined when only kept answers would do and some are missing.
 *
 * @throws InferError what the model threw; bad-backend when its answer has not the rows that were sent
 */
export function openRowAsking(parts: RowsParts): (asked: AskedRows) => Promise<GotRows | undefined> {
  const { next, keeper, env, run } = parts;
  const flights = openRowFlights();

  /** The model's answers to these rows, by one call. */
  const ask = async (rows: Rows, call: Call, { request }: AskedRows): Promise<RowAnswers> => {
    const how = { small: bytesOf(request) <= SMALL_BYTES, signal: call.signal };
    const merged = await run(mergeRequests([...rows.values()].map((row) => row.request)), how);
    const signature = await parts.signature(call.signal).catch(() => undefined);
    const began = env.clock.now();
    const reply = await next(merged, call);
    const askedMs = (env.clock.now() - began) / rows.size;
    const counts = new Array<number>(rows.size).fill(1);
    const replies = await run(splitReply(reply, { rows: rows.size, counts, request, signature }), how);
    const answers = new Map<string, InferResponse>();
    for (const [i, [key, { question }]] of [...rows].entries()) {
      const answer = replies[i];
      if (answer === undefined) continue;
      answers.set(key, answer);
      await keeper.keep(question, { answer, askedMs, look: undefined });
    }
    return answers;
  };

  const askMissing = async (missing: Rows, asked: AskedRows): Promise<LandedRows> => {
    const { call, anew } = asked;
    if (missing.size === 0) return NOTHING;
    if (anew) return { answers: await ask(missing, call, asked), asked: missing.size, calls: 1 };
    return flights.ask(missing, call, (rows, at) => ask(rows, at, asked));
  };

  return async (asked) => {
    const { request, call, rows, anew, onlyKept } = asked;
    const found = rows.map(({ question }) => (anew ? undefined : freshOf(keeper.find(question))));
    // of equal rows in one request the model sees one
    const missing = new Map(rows.flatMap((row, i) => (found[i] === undefined ? [[row.question.flight, row]] : [])));
    if (onlyKept && missing.size > 0) return undefined;
    const { answers, asked: own, calls } = await askMissing(missing, asked);
    const kept = found.filter((one) => one !== undefined);
    const how = { small: bytesOf(request) <= SMALL_BYTES, signal: call.signal };
    const join = () => {
      const all = rows.map(({ question }, i) => found[i]?.answer ?? answers.get(question.flight));
      return run(joinReplies(all.flatMap((one) => (one === undefined ? [] : [inOrder(one, request.outputs)]))), how);
    };
    const whole = async (): Promise<GotRows> => {
      return { reply: await next(request, call), kept: 0, asked: own + rows.length, ageMs: 0 };
    };
    const sources = calls + (kept.length > 0 ? 1 : 0);
    // the model was replaced or its answers purged meanwhile: some rows may be the old one's and some the new one's
    if (sources > 1 && !rows.every(({ question }) => keeper.isCurrent(question))) return whole();
    try {
      const ageMs = Math.max(0, ...kept.map((one) => one.ageMs));
      return { reply: await join(), kept: kept.length, asked: own, ageMs };
    } catch (error) {
      // rows of one call fit each other; those of several may not, as where a model fills up rows to the longest
      if (sources < 2 || !(error instanceof InferError) || error.code !== "bad-backend") throw error;
      return whole();
    }
  };
}

function freshOf(found: Found | undefined): Found | undefined {
  return found !== undefined && found.ageMs < found.freshMs ? found : undefined;
}
