// From a request to the question that the cache knows it by, or to the reason for which it passes the cache by.

import { type Call, unlessAborted } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import type { Identity, ModelMetadata } from "../../core/model.ts";
import type { InferRequest } from "../../core/request.ts";
import type { RunSliced } from "../../core/run.ts";
import { openGate } from "../batch/gate.ts";
import { bytesOf } from "../batch/key.ts";
import { ofTheModel, ofTheRequest } from "./gate.ts";
import type { Content, Mark } from "./key.ts";
import type { Room } from "./room.ts";
import type { CacheOptions } from "./words.ts";

/** One question at one version, and under what it is asked. */
export interface Question {
  readonly mark: Mark;
  /** Equal for questions that may be asked as one; no two different ones have the same. */
  readonly flight: string;
  readonly identity: Identity;
  /** Undefined where all tenants share. */
  readonly tenant: string | undefined;
  /** Of the purges, when it was asked. */
  readonly generation: number;
  /** How long it took to look the question up, in milliseconds. */
  readonly lookMs: number;
}

export interface QuestionParts {
  readonly model: string;
  readonly version: string;
  readonly room: Room;
  readonly env: Env;
  readonly run: RunSliced;
  readonly options: CacheOptions;
  readonly identity: () => Identity | undefined;
  signature(signal: AbortSignal): Promise<ModelMetadata>;
}

/** A question up to this size is digested at once; that takes well below a millisecond. */
const SMALL_BYTES = 8 * 1024 * 1024;

/** @returns the question, or in words why the request passes the cache by; throws the call's abort reason */
export function openQuestions(parts: QuestionParts): (request: InferRequest, call: Call) => Promise<Question | string> {
  const { model, version, room, env, run, options, identity } = parts;
  const gate = openGate({ clock: env.clock, signature: parts.signature });
  const digested = async (request: InferRequest, signal: AbortSignal): Promise<Content> => {
    const content = await run(room.digests.content(request), { small: bytesOf(request) <= SMALL_BYTES, signal });
    room.contents.note(request, content);
    return content;
  };
  return async (request, call) => {
    const why = ofTheRequest(request, call, options.by);
    if (why !== undefined) return why;
    const known = gate.look(call.signal);
    const told = known instanceof Promise ? await unlessAborted(known, call.signal) : known;
    const whyNot = ofTheModel(told?.metadata);
    if (whyNot !== undefined) return whyNot;
    const made = identity();
    if (made === undefined) return "nobody knows what the model is made of";
    const tenant = options.by === "tenant" ? call.tenant : undefined;
    const generation = room.generation(model, tenant);
    const began = env.clock.now();
    const content = room.contents.of(request) ?? (await digested(request, call.signal));
    const headers = options.headers.map((name) => call.headers.get(name));
    const mark = room.digests.mark(content, { model, version, identity: made.id, tenant, headers });
    // both digests: the first alone does not tell all questions apart
    const flight = `${generation} ${mark.key}${Buffer.from(mark.proof).toString("latin1")}`;
    return { mark, flight, identity: made, tenant, generation, lookMs: env.clock.now() - began };
  };
}
