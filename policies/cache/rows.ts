// Row by row: rows that were answered before come from the cache, only the others go to the model.

import type { Call } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
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
  /** The age of the oldest of them, in milliseconds. */
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

/**
 * Undefined when only kept answers would do and some are missing.
 *
 * @throws InferError what the model threw; bad-backend when its answer has not the rows that were sent
 */
export function openRowAsking(parts: RowsParts): (asked: AskedRows) => Promise<GotRows | undefined> {
  const { next, keeper, env, run } = parts;
  /** The model's answers to these rows. */
  const ask = async (
    missing: readonly RowQuestion[],
    { request, call }: AskedRows,
  ): Promise<readonly InferResponse[]> => {
    const how = { small: bytesOf(request) <= SMALL_BYTES, signal: call.signal };
    const merged = await run(mergeRequests(missing.map((row) => row.request)), how);
    const signature = await parts.signature(call.signal).catch(() => undefined);
    const began = env.clock.now();
    const reply = await next(merged, call);
    const askedMs = (env.clock.now() - began) / missing.length;
    const counts = missing.map(() => 1);
    const replies = await run(splitReply(reply, { rows: missing.length, counts, request, signature }), how);
    for (const [i, { question }] of missing.entries()) {
      const answer = replies[i];
      if (answer !== undefined) await keeper.keep(question, { answer, askedMs, look: undefined });
    }
    return replies;
  };
  return async (asked) => {
    const { request, call, rows, anew, onlyKept } = asked;
    const found = rows.map(({ question }) => (anew ? undefined : freshOf(keeper.find(question))));
    const missing = rows.filter((_, i) => found[i] === undefined);
    if (onlyKept && missing.length > 0) return undefined;
    const replies = missing.length === 0 ? [] : [...(await ask(missing, asked))];
    const all = found.map((one) => {
      const answer = one === undefined ? replies.shift() : one.answer;
      return answer === undefined ? [] : [inOrder(answer, request.outputs)];
    });
    const how = { small: bytesOf(request) <= SMALL_BYTES, signal: call.signal };
    const reply = await run(joinReplies(all.flat()), how);
    const ages = found.map((one) => one?.ageMs ?? 0);
    return { reply, kept: rows.length - missing.length, ageMs: Math.max(...ages) };
  };
}

function freshOf(found: Found | undefined): Found | undefined {
  return found !== undefined && found.ageMs < found.freshMs ? found : undefined;
}
