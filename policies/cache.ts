// cache: the same question asked twice, over whichever protocol, is computed once.

import { randomBytes } from "node:crypto";
import type { CacheWish, Call } from "../core/call.ts";
import { asInferError, InferError } from "../core/error.ts";
import type { LeafContext, LeafKind } from "../core/policy.ts";
import { type InferRequest, type Reply, unasked } from "../core/request.ts";
import type { Layer } from "../core/service.ts";
import type { CacheState } from "../core/trace.ts";
import { formatDuration } from "../core/units.ts";
import { type Asked, type Got, openAsking } from "./cache/asking.ts";
import { inOrder } from "./cache/copy.ts";
import { openFlights } from "./cache/flights.ts";
import { type Found, openKeeper } from "./cache/keeper.ts";
import { openQuestions } from "./cache/question.ts";
import { openRoom, type Room } from "./cache/room.ts";
import { openRowFlights } from "./cache/row-flights.ts";
import { type AskedRows, openRowAsking } from "./cache/rows.ts";
import { wishOf } from "./cache/wish.ts";
import { type CacheOptions, cacheWords } from "./cache/words.ts";

/** Each leaf with a room of its own; see `cacheIn`. */
export const cache: LeafKind<CacheOptions> = {
  place: "leaf",
  word: "cache",
  options: cacheWords,
  build: (options, context) => cacheLayer(options, { ...context, room: ownRoom(options, context) }),
};

/** The same kind, all of whose caches share a room. */
export function cacheIn(room: Room): LeafKind<CacheOptions> {
  return { ...cache, build: (options, context) => cacheLayer(options, { ...context, room }) };
}

/** Bytes of a secret that is made, not told. */
export const SECRET_BYTES = 32;

function ownRoom({ maxBytes }: CacheOptions, { env, model }: LeafContext): Room {
  const room = openRoom({ maxBytes, secret: randomBytes(SECRET_BYTES), clock: env.clock, emit: env.emit });
  room.retain(new Set([model]));
  return room;
}

export interface CacheParts extends LeafContext {
  readonly room: Room;
}

/** Gives kept answers to equal questions, and asks one at a time. Only what users ask is given or kept. */
export function cacheLayer(options: CacheOptions, parts: CacheParts): Layer {
  const { env } = parts;
  const identity = parts.identity ?? (() => undefined);
  const questions = openQuestions({ ...parts, options, identity });
  const keeper = openKeeper({ ...parts, options, identity });
  const say = openTeller(parts);
  const give = ({ call, request }: Pick<Asked, "call" | "request">, { answer, ageMs, freshMs }: Found): Reply => {
    say(call, ageMs < freshMs ? "hit" : "stale", { ageMs });
    return inOrder(answer, request.outputs);
  };
  return (next) => {
    const flights = openFlights();
    const rowFlights = openRowFlights(flights);
    const asking = openAsking({ next, keeper, env, flights, rows: rowFlights });
    const askRows = openRowAsking({ ...parts, next, keeper, flights: rowFlights });
    const pass = (request: InferRequest, call: Call, why: string): Promise<Reply> => {
      say(call, "bypass", { why });
      return next(request, call);
    };
    const take = (asked: Asked, got: Got): Reply | Promise<Reply> => {
      const { call, request } = asked;
      switch (got.kind) {
        case "asked":
          say(call, "miss", got.notKept === undefined ? {} : { why: `not kept, ${got.notKept}` });
          return got.reply;
        case "found":
          return give(asked, got.found);
        case "joined":
          say(call, "coalesced");
          return got.reply;
        case "alone":
          return pass(request, call, "a stream");
        default:
          return got satisfies never;
      }
    };
    const byRows = async (rows: AskedRows): Promise<Reply> => {
      const { call } = rows;
      const got = await askRows(rows);
      const count = rows.rows.length;
      if (got === undefined) {
        say(call, "miss", { why: "only-if-cached" });
        throw notCached("some rows are not kept");
      }
      const why = `${got.kept} of ${count} rows were kept`;
      if (got.kept === count) say(call, "hit", { ageMs: got.ageMs, why: `${count} rows` });
      else say(call, got.asked > 0 ? "miss" : "coalesced", { why });
      call.trace.learn({ askedRows: got.asked });
      return got.reply;
    };
    const onlyKept = async (asked: Asked): Promise<Reply> => {
      const shared = await keeper.findShared(asked.question);
      if (shared?.found !== undefined) return give(asked, shared.found);
      say(asked.call, "miss", { why: "only-if-cached" });
      throw notCached("no answer is kept");
    };
    /** All but the look-up, which is a matter of the tensors. */
    const foretell = async (request: InferRequest, call: Call): Promise<Reply> => {
      const wish = wishOf(call);
      const why = wish === "no-store" ? wish : await questions.bypass(request, call);
      if (why !== undefined) {
        call.trace.decide("cache", `bypass: ${why}`);
        if (wish === "only-if-cached") throw notCached(why);
        return next(request, call);
      }
      call.foretell?.("cache", describeCache(options, wish));
      return wish === "only-if-cached" ? unasked({ name: parts.model, version: parts.version }) : next(request, call);
    };
    return async (request, call) => {
      if (call.purpose === "explain") return foretell(request, call);
      if (call.purpose !== "user") return next(request, call);
      const wish = wishOf(call);
      if (wish === "no-store") return pass(request, call, wish);
      const rows = options.rows ? await questions.ofRows(request, call) : undefined;
      if (rows !== undefined) {
        return byRows({ request, call, rows, anew: wish === "no-cache", onlyKept: wish === "only-if-cached" });
      }
      const question = await questions.of(request, call);
      if (typeof question === "string") {
        if (wish === "only-if-cached") {
          say(call, "bypass", { why: question });
          throw notCached(question);
        }
        return pass(request, call, question);
      }
      const asked: Asked = { request, call, question };
      if (wish === "no-cache") return take(asked, await asking.anew(asked));
      const found = keeper.find(question);
      // below 0 while it is fresh
      const late = found === undefined ? Number.POSITIVE_INFINITY : found.ageMs - found.freshMs;
      if (found !== undefined && (late < 0 || late < options.staleWhileRevalidateMs)) {
        if (late >= 0) asking.refresh(asked);
        return give(asked, found);
      }
      if (wish === "only-if-cached") return onlyKept(asked);
      try {
        return await take(asked, await asking.together(asked));
      } catch (error) {
        const isCallers = asInferError(error).origin === "client";
        if (found === undefined || isCallers || late >= options.staleIfErrorMs) throw error;
        return give(asked, found);
      }
    };
  };
}

/** What it does for requests like this one. */
function describeCache({ ttlMs, rows }: CacheOptions, wish: CacheWish | undefined): string {
  if (wish === "no-cache") return "no kept answer is given (no-cache), the new one is kept";
  const what = rows ? "rows are looked up one by one" : "looked up first";
  const age = ttlMs === undefined ? "" : `, kept for ${formatDuration(ttlMs)}`;
  const only = wish === "only-if-cached" ? ", and nobody is asked (only-if-cached)" : "";
  return `${what}${age}: hit or miss is a matter of the tensors${only}`;
}

interface Said {
  readonly why?: string;
  readonly ageMs?: number;
}

/** Says what the cache did for one request: to the metrics, to its trace and in its answer. */
function openTeller({ env, model, version }: CacheParts): (call: Call, state: CacheState, said?: Said) => void {
  return (call, state, { why, ageMs } = {}) => {
    env.emit({ type: "cache-asked", model, version, state });
    const age = ageMs === undefined ? [] : [`${Math.floor(ageMs / 1000)} s old`];
    call.trace.decide("cache", [state, ...age, ...(why === undefined ? [] : [why])].join(": "));
    call.trace.learn({ cache: state, ...(ageMs === undefined ? {} : { ageMs: Math.round(ageMs) }) });
  };
}

// RFC 9111, 5.2.1.7: 504
function notCached(why: string): InferError {
  return new InferError("deadline-exceeded", `only-if-cached: ${why}`, { origin: "client" });
}
