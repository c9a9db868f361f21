// Serves one HTTP request: reads its body, lets the route answer, writes the answer, and says one line in the log.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Env } from "../core/env.ts";
import { asInferError, InferError } from "../core/error.ts";
import type { Planes, Protocol, Route, WireReply } from "../core/protocol.ts";
import { discardRest, hasBody, REQUEST_ENCODINGS, readBody } from "./body.ts";
import type { Unanswered } from "./broken-http.ts";
import type { Budget, Holding } from "./budget.ts";
import { headersOf, type Identity, identityOf, pathOf, queryOf } from "./incoming.ts";
import type { Intake } from "./intake.ts";
import type { RefusalLines } from "./refusal-lines.ts";
import { plainError, writeReply } from "./reply.ts";
import type { Hold } from "./trees.ts";

export interface HttpLimits {
  readonly bodyBytes: number;
  readonly headerBytes: number;
  readonly urlBytes: number;
  /** How long a client may take to send one whole request, in milliseconds. */
  readonly requestTimeoutMs: number;
}

/** What serving needs of its listener, and what the listener counts. */
export interface Serving {
  readonly protocols: readonly Protocol[];
  /** The tree in force, for one request. */
  readonly hold: () => Hold;
  readonly limits: HttpLimits;
  readonly budget: Budget;
  readonly intake: Intake;
  readonly env: Env;
  readonly unanswered: Unanswered;
  readonly refusalLines: RefusalLines;
  inFlight: number;
  draining: boolean;
}

/** One request and the way to answer it. */
export interface Pair {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export interface Routed extends Pair {
  readonly protocol: Protocol;
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** Answers a request whose route is known. Never throws. */
export async function serve(serving: Serving, routed: Routed): Promise<void> {
  const arrivedAt = serving.intake.began();
  const identity = identityOf(routed.request);
  const holding = serving.budget.open();
  const held = serving.hold();
  const gone = new AbortController();
  let spent = false;
  track(serving, routed, (whole) => {
    holding.release(whole && spent);
    held.release();
    if (!whole) gone.abort(new InferError("cancelled", "the client left before its answer"));
  });
  const reply = await answer(serving, routed, {
    arrivedAt,
    identity,
    holding,
    planes: held.planes,
    signal: gone.signal,
  });
  spent = reply.spent === true;
  // answers that come back in a crowd leave over several turns as well
  while (serving.intake.crowded()) await serving.intake.nextTurn();
  await finish(serving, { ...routed, arrivedAt, identity, reply: inTime(reply, serving.env) });
}

/** What was answered in time may have waited too long for its turn: nobody has a use for it any longer. */
function inTime(reply: WireReply, { clock }: Env): WireReply {
  return reply.late !== undefined && clock.now() >= reply.late.from ? reply.late.instead() : reply;
}

interface Incoming {
  readonly arrivedAt: number;
  readonly identity: Identity;
  readonly holding: Holding;
  readonly planes: Planes;
  readonly signal: AbortSignal;
}

async function answer(serving: Serving, routed: Routed, incoming: Incoming): Promise<WireReply> {
  const { protocol, route, request } = routed;
  const { limits } = serving;
  // turns are bounded: a crowd that comes in one is let in over several; probes have no body, and are answered however late
  let isLate = false;
  while (!isLate && serving.intake.crowded()) isLate = await serving.intake.wait(incoming.arrivedAt);
  if (isLate && hasBody(request)) return refusal(serving, protocol, { fault: tooBusy(serving.env) });
  if (incoming.signal.aborted) return refusal(serving, protocol, { fault: asInferError(incoming.signal.reason) });
  const tooLong = longUrl(request, limits);
  if (tooLong !== undefined) return refusal(serving, protocol, tooLong);
  let body: Uint8Array | AsyncIterable<Uint8Array>;
  try {
    body =
      route.body === "stream"
        ? request
        : await readBody(request, { maxBytes: limits.bodyBytes, intake: serving.intake }, incoming.holding);
  } catch (error) {
    const fault = asInferError(error);
    if (fault.code !== "unsupported") return refusal(serving, protocol, { fault });
    return refusal(serving, protocol, { fault, status: 415, headers: { "accept-encoding": REQUEST_ENCODINGS } });
  }
  const { arrivedAt, signal, identity } = incoming;
  const wire = {
    method: request.method ?? "GET",
    path: pathOf(request),
    params: routed.params,
    query: queryOf(request.url ?? "/"),
    headers: headersOf(request),
    peer: request.socket.remoteAddress ?? "",
    arrivedAt,
    signal,
    ...identity,
    body,
  };
  try {
    return await route.handle(wire, incoming.planes);
  } catch (error) {
    if (!(error instanceof InferError)) serving.env.log.error({ id: identity.id, err: error }, "a route threw");
    return refusal(serving, protocol, { fault: asInferError(error) });
  }
}

/** More comes than the process can take in. */
function tooBusy(env: Env): InferError {
  env.emit({ type: "process-shed", of: "lag" });
  const text = "the gateway has more requests than it can take in: this one waited too long to be read";
  return new InferError("overloaded", text, { retryAfterMs: 1000 });
}

export interface Refusal {
  readonly fault: InferError;
  /** HTTP's own word for it, where the protocol's table has none. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

function longUrl(request: IncomingMessage, limits: HttpLimits): Refusal | undefined {
  const length = request.url?.length ?? 0;
  if (length <= limits.urlBytes) return undefined;
  const fault = new InferError("too-large", `url: expected at most ${limits.urlBytes} bytes, got ${length}`);
  return { fault, status: 414 };
}

/** Answers a request that no route takes, in the shape of the protocol whose paths it is among. */
export function refuse(serving: Serving, pair: Pair, why: Refusal): void {
  const arrivedAt = serving.env.clock.now();
  const path = pathOf(pair.request);
  const protocol = serving.protocols.find((one) =>
    one.prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`)),
  );
  const identity = identityOf(pair.request);
  const reply = refusal(serving, protocol, longUrl(pair.request, serving.limits) ?? why);
  track(serving, pair, () => {});
  void finish(serving, { request: pair.request, response: pair.response, arrivedAt, identity, reply });
}

/** A fault that no layer below has seen: shaped, and counted here. */
function refusal(serving: Serving, protocol: Protocol | undefined, why: Refusal): WireReply {
  const { fault, status, headers } = why;
  serving.env.emit({
    type: "request-done",
    model: undefined,
    version: undefined,
    backend: undefined,
    protocol: protocol?.name ?? "http",
    code: fault.code,
    origin: fault.origin,
    tookMs: 0,
  });
  const shaped = protocol?.fail(fault) ?? plainError(404, fault);
  return {
    ...shaped,
    status: status ?? shaped.status,
    headers: { ...shaped.headers, ...headers },
    about: { code: fault.code, origin: fault.origin, error: fault.message },
  };
}

/** Counts the request as in flight until its answer is out or its client gone; `onClose` hears which. */
function track(serving: Serving, pair: Pair, onClose: (whole: boolean) => void): void {
  const { request, response } = pair;
  const { socket } = request;
  serving.inFlight += 1;
  const pending = serving.unanswered.get(socket);
  if (pending === undefined) serving.unanswered.set(socket, [pair]);
  else pending.push(pair);
  response.once("close", () => {
    serving.inFlight -= 1;
    const others = serving.unanswered.get(socket);
    others?.splice(others.indexOf(pair), 1);
    onClose(response.writableFinished);
  });
}

interface Answered extends Pair {
  readonly arrivedAt: number;
  readonly identity: Identity;
  readonly reply: WireReply;
}

async function finish(serving: Serving, answered: Answered): Promise<void> {
  const { request, response, reply, identity } = answered;
  // a body refused before it was read is still on its way: the connection cannot be used again
  const unread = reply.status >= 400 && !request.complete && hasBody(request);
  try {
    const close = serving.draining || unread;
    const settle = unread ? () => discardRest(request, serving.env.clock) : undefined;
    await writeReply({ request, response, reply, identity, close, settle });
  } catch (error) {
    // the status is out: all that is left is to let the client see that its answer is not whole
    serving.env.log.warn({ id: identity.id, err: error }, "the answer broke off");
    response.destroy();
  }
  if (reply.about === undefined || serving.refusalLines.admits(reply.about.code)) logLine(serving.env, answered);
}

function logLine(env: Env, answered: Answered): void {
  const { request, response, reply, identity, arrivedAt } = answered;
  const fields = {
    id: identity.id,
    traceparent: identity.traceparent,
    method: request.method,
    path: pathOf(request),
    status: response.destroyed && !response.writableFinished ? 499 : reply.status,
    ms: Math.round((env.clock.now() - arrivedAt) * 1000) / 1000,
    peer: request.socket?.remoteAddress,
    ...reply.about,
  };
  // probes and metadata say nothing about themselves: they come every few seconds
  if (reply.about === undefined) env.log.debug(fields, "request");
  else if (reply.status < 500) env.log.info(fields, "request");
  else env.log.warn(fields, "request");
}
