// From a request to the question that the cache knows it by, or to the reason for which it passes the cache by.

import { type Call, unlessAborted } from "../../core/call.ts";
import { wholeRequest } from "../../core/deferred.ts";
import type { Env } from "../../core/env.ts";
import type { Identity, ModelMetadata } from "../../core/model.ts";
import type { InferRequest } from "../../core/request.ts";
import type { RunSliced, Sliced } from "../../core/run.ts";
import { openGate } from "../batch/gate.ts";
import { bytesOf, rowsOf } from "../batch/key.ts";
import { cutRequest } from "../batch/merge.ts";
import { hasRows, ofTheModel, ofTheRequest } from "./gate.ts";
import type { Asked, Content, Digests, Mark } from "./key.ts";
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
/** Requests with more rows are one question: that many look-ups cost more than they are likely to find. */
const MOST_ROWS = 1024;
/** Rows that are digested between two stops: about a millisecond. */
const ROWS_AT_ONCE = 32;

export interface Questions {
  /** The question, or in words why the request passes the cache by. @throws InferError the call's abort reason */
  of(request: InferRequest, call: Call): Promise<Question | string>;
  /** Why the request passes the cache by, if it does; nothing of its tensors is read. */
  bypass(request: InferRequest, call: Call): Promise<string | undefined>;
  /** The questions of a request's rows, each a request of its own; undefined where it has none that may stand alone. */
  ofRows(request: InferRequest, call: Call): Promise<readonly RowQuestion[] | undefined>;
}

/** One row of a request. */
export interface RowQuestion {
  readonly request: InferRequest;
  readonly question: Question;
}

/** What a question is asked under. */
type Frame = Pick<Question, "identity" | "tenant" | "generation"> & {
  readonly asked: Asked;
  readonly hasRows: boolean;
};

export function openQuestions(parts: QuestionParts): Questions {
  const { model, version, room, env, run, options, identity } = parts;
  const { digests } = room;
  const openOwnGate = () => openGate({ clock: env.clock, signature: parts.signature });
  let gate = openOwnGate();
  let gateOf: Identity | undefined;
  const frameOf = async (request: InferRequest, call: Call): Promise<Frame | string> => {
    const why = ofTheRequest(request, call, options.by);
    if (why !== undefined) return why;
    const made = identity();
    if (made !== gateOf) {
      // another model: what was known of the one before (that it keeps no state, that it has rows) says nothing of it
      gateOf = made;
      gate = openOwnGate();
    }
    const known = gate.look(call.signal);
    const told = known instanceof Promise ? await unlessAborted(known, call.signal) : known;
    const whyNot = ofTheModel(told?.metadata);
    if (whyNot !== undefined) return whyNot;
    if (made === undefined) return "nobody knows what the model is made of";
    const tenant = options.by === "tenant" ? call.tenant : undefined;
    return {
      asked: askedOf(made, tenant, call),
      identity: made,
      tenant,
      generation: room.generation(model, tenant),
      hasRows: told !== undefined && hasRows(told.metadata),
    };
  };
  // one object for all who ask under the same words, where neither tenant nor headers count
  let usual: Asked | undefined;
  const askedOf = ({ id }: Identity, tenant: string | undefined, call: Call): Asked => {
    if (tenant === undefined && options.headers.length === 0) {
      if (usual?.identity !== id) usual = { model, version, identity: id, tenant, headers: [] };
      return usual;
    }
    const headers = options.headers.map((name) => [name, call.headers.get(name)] as const);
    return { model, version, identity: id, tenant, headers };
  };
  const questionOf = ({ identity: made, tenant, generation }: Frame, mark: Mark, lookMs: number): Question => {
    // both digests: the first alone does not tell all questions apart
    const flight = `${generation} ${mark.key}${Buffer.from(mark.proof).toString("latin1")}`;
    return { mark, flight, identity: made, tenant, generation, lookMs };
  };
  const digested = async (request: InferRequest, signal: AbortSignal): Promise<Content> => {
    // a request that a front recalled has no bytes yet
    await wholeRequest(request);
    const content = await run(digests.content(request), { small: bytesOf(request) <= SMALL_BYTES, signal });
    room.contents.note(request, content);
    return content;
  };
  return {
    async of(request, call) {
      const frame = await frameOf(request, call);
      if (typeof frame === "string") return frame;
      const began = env.clock.now();
      const content = room.contents.of(request) ?? (await digested(request, call.signal));
      const mark = digests.mark(content, frame.asked);
      return questionOf(frame, mark, env.clock.now() - began);
    },
    async bypass(request, call) {
      const frame = await frameOf(request, call);
      return typeof frame === "string" ? frame : undefined;
    },
    async ofRows(request, call) {
      const rows = rowsOf(request) ?? 0;
      if (rows < 2 || rows > MOST_ROWS) return undefined;
      const frame = await frameOf(request, call);
      if (typeof frame === "string" || !frame.hasRows) return undefined;
      // a request that a front recalled has no bytes yet, and rows cannot be told apart without them
      await wholeRequest(request);
      const began = env.clock.now();
      const small = rows <= ROWS_AT_ONCE && bytesOf(request) <= SMALL_BYTES;
      const work = markRows(request, rows, { digests, asked: frame.asked });
      const marked = await run(work, { small, signal: call.signal });
      const lookMs = (env.clock.now() - began) / rows;
      return marked.map(({ request: row, mark }) => ({ request: row, question: questionOf(frame, mark, lookMs) }));
    },
  };
}

interface MarkedRow {
  readonly request: InferRequest;
  readonly mark: Mark;
}

function* markRows(
  request: InferRequest,
  rows: number,
  { digests, asked }: { readonly digests: Digests; readonly asked: Asked },
): Sliced<readonly MarkedRow[]> {
  const marked: MarkedRow[] = [];
  for (const row of yield* cutRequest(request, new Array<number>(rows).fill(1))) {
    marked.push({ request: row, mark: digests.mark(yield* digests.content(row), asked) });
    if (marked.length % ROWS_AT_ONCE === 0) yield;
  }
  return marked;
}
