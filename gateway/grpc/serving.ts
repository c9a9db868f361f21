// Serves one call over gRPC: reads its message, lets the route answer, sends the answer, and says one line in the log.

import type { Address } from "../../config/config.ts";
import { abortReason } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { asInferError, InferError } from "../../core/error.ts";
import type { Planes, Protocol, Route, WireReply, WireRequest } from "../../core/protocol.ts";
import type { Budget, Holding } from "../budget.ts";
import { requestId, traceparent } from "../identity.ts";
import type { Intake } from "../intake.ts";
import type { Hold } from "../trees.ts";
import type { GrpcCall } from "./call.ts";
import { readMessage, readMessages } from "./read.ts";
import { sendReply } from "./send.ts";

export interface GrpcLimits {
  /** Bytes of one message, as sent and inflated, in and out. */
  readonly messageBytes: number;
  /** How long a client may take to send one whole request, in milliseconds. */
  readonly requestTimeoutMs: number;
}

/** What serving needs of its listener, and what the listener counts. */
export interface GrpcServing {
  readonly address: Address;
  readonly protocols: readonly Protocol[];
  /** The tree in force, for one call. */
  readonly hold: () => Hold;
  readonly limits: GrpcLimits;
  readonly budget: Budget;
  readonly intake: Intake;
  readonly env: Env;
  inFlight: number;
  /** Aborted when the listener begins to close. */
  readonly draining: AbortController;
}

export interface GrpcRoute {
  readonly protocol: Protocol;
  readonly route: Route;
}

const NO_QUERY = new URLSearchParams();

/** Answers a call whose route is known. Never throws. */
export async function serve(serving: GrpcServing, routed: GrpcRoute, call: GrpcCall): Promise<void> {
  const arrivedAt = serving.env.clock.now();
  const identity = {
    id: requestId(call.metadata.get("x-request-id")),
    traceparent: traceparent(call.metadata.get("traceparent")),
  };
  const holding = serving.budget.open();
  const held = serving.hold();
  serving.inFlight += 1;
  call.onClose(() => {
    serving.inFlight -= 1;
    holding.release();
    held.release();
  });
  const reply = await answer(serving, routed, { call, arrivedAt, identity, holding, planes: held.planes });
  const own = { "x-request-id": identity.id, traceparent: identity.traceparent };
  // answers that come back in a crowd leave over several turns as well
  while (serving.intake.crowded()) await serving.intake.nextTurn();
  const end = await sendReply(call, reply, { own, maxBytes: serving.limits.messageBytes, fail: routed.protocol.fail });
  logLine(serving, { call, arrivedAt, identity, end });
}

interface Incoming {
  readonly call: GrpcCall;
  readonly arrivedAt: number;
  readonly identity: { readonly id: string; readonly traceparent: string };
  readonly holding: Holding;
  readonly planes: Planes;
}

async function answer(serving: GrpcServing, { protocol, route }: GrpcRoute, incoming: Incoming): Promise<WireReply> {
  const { call, arrivedAt, identity, holding } = incoming;
  // turns are bounded: a crowd that comes in one is let in over several; probes are messages too, so that nobody is let down here
  let isLate = false;
  while (!isLate && serving.intake.crowded()) isLate = await serving.intake.wait(arrivedAt);
  let body: Pick<WireRequest, "body" | "release">;
  try {
    body =
      route.body === "stream"
        ? readMessages(call, { holding, intake: serving.intake })
        : { body: await inTime(serving, () => readMessage(call, { holding, intake: serving.intake })) };
  } catch (error) {
    return refusal(serving, protocol, asInferError(error));
  }
  const { timeoutMs } = call;
  const wire: WireRequest = {
    method: "POST",
    path: call.path,
    params: {},
    query: NO_QUERY,
    headers: call.metadata,
    peer: call.peer,
    arrivedAt,
    signal: call.signal,
    draining: serving.draining.signal,
    ...identity,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...body,
  };
  try {
    return await route.handle(wire, incoming.planes);
  } catch (error) {
    if (!(error instanceof InferError)) serving.env.log.error({ id: identity.id, err: error }, "a route threw");
    return refusal(serving, protocol, asInferError(error));
  }
}

/** What reading gives, unless the client takes too long to send it. */
function inTime<T>(serving: GrpcServing, read: () => Promise<T>): Promise<T> {
  const { requestTimeoutMs } = serving.limits;
  return new Promise((resolve, reject) => {
    const stop = serving.env.clock.after(requestTimeoutMs, () => {
      const text = `the request was not sent within ${requestTimeoutMs} ms`;
      reject(new InferError("deadline-exceeded", text, { origin: "client" }));
    });
    read().then(resolve, reject).finally(stop);
  });
}

/** A fault that no layer below has seen: shaped, and counted here. */
function refusal(serving: GrpcServing, protocol: Protocol, fault: InferError): WireReply {
  serving.env.emit({
    type: "request-done",
    model: undefined,
    version: undefined,
    backend: undefined,
    protocol: protocol.name,
    code: fault.code,
    origin: fault.origin,
    tookMs: 0,
  });
  return { ...protocol.fail(fault), about: { code: fault.code, origin: fault.origin, error: fault.message } };
}

interface Answered {
  readonly call: GrpcCall;
  readonly arrivedAt: number;
  readonly identity: { readonly id: string; readonly traceparent: string };
  readonly end: WireReply;
}

/** CANCELLED. */
const CANCELLED = 1;

function logLine({ env }: GrpcServing, { call, arrivedAt, identity, end }: Answered): void {
  const left = call.signal.aborted;
  const fields = {
    id: identity.id,
    traceparent: identity.traceparent,
    path: call.path,
    grpcStatus: left ? (STATUS_OF_LEAVING[abortReason(call.signal).code] ?? CANCELLED) : end.status,
    ms: Math.round((env.clock.now() - arrivedAt) * 1000) / 1000,
    peer: call.peer,
    ...end.about,
  };
  // probes and metadata say nothing about themselves: they come every few seconds
  if (end.about === undefined) env.log.debug(fields, "request");
  else if (end.status === 0 || end.about.origin === "client") env.log.info(fields, "request");
  else env.log.warn(fields, "request");
}

/** DEADLINE_EXCEEDED, which the library has sent by itself. */
const STATUS_OF_LEAVING: Readonly<Record<string, number>> = { "deadline-exceeded": 4 };
