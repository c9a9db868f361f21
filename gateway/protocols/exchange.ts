// The one sequence of every inference exchange: decode, open the call, infer, encode, or fail in the protocol's own shape.

import { type Call, type OwnedCall, openCall } from "../../core/call.ts";
import { asInferError, invalid } from "../../core/error.ts";
import type { Hints } from "../../core/hints.ts";
import { callInit, type Planes, type WireReply, type WireRequest } from "../../core/protocol.ts";
import type { InferRequest, ModelRef, Reply } from "../../core/request.ts";
import type { Facts } from "../../core/trace.ts";

/** What a decoder makes of a request: the question, what concerns its caller, and how the answer is to look. */
export interface Decoded<Form> {
  readonly request: InferRequest;
  readonly hints: Hints;
  readonly form: Form;
}

export interface Codec<Form> {
  readonly protocol: string;
  /** The model that the path names, before the body is read. */
  readonly model: ModelRef;
  decode(wire: WireRequest, planes: Planes): Promise<Decoded<Form>>;
  encode(reply: Reply, form: Form, at: { readonly call: Call; readonly planes: Planes }): Promise<WireReply>;
  fail(error: unknown): WireReply;
}

/** Serves one inference request; never throws. */
export async function exchange<Form>(wire: WireRequest, planes: Planes, codec: Codec<Form>): Promise<WireReply> {
  let decoded: Decoded<Form>;
  let call: OwnedCall;
  try {
    decoded = await codec.decode(wire, planes);
    call = openCall({ ...callInit(wire, planes, codec.protocol), ...callerLimits(wire, decoded.hints) });
  } catch (error) {
    return undecodable(error, { wire, planes, codec });
  }
  try {
    const reply = await planes.data.infer(decoded.request, call);
    const encoded = await codec.encode(reply, decoded.form, { call, planes });
    return { ...withHeaders(encoded, call), about: about(codec.model, call, "ok") };
  } catch (error) {
    logCause(error, planes, call.id);
    return { ...withHeaders(codec.fail(error), call), about: about(codec.model, call, error) };
  } finally {
    call.end();
  }
}

/** The protocol's own headers win over those that a backend may tell the caller. */
function withHeaders(reply: WireReply, call: Call): WireReply {
  const { headers } = call.trace.facts;
  return headers === undefined ? reply : { ...reply, headers: { ...Object.fromEntries(headers), ...reply.headers } };
}

interface Undecodable<Form> {
  readonly wire: WireRequest;
  readonly planes: Planes;
  readonly codec: Codec<Form>;
}

/** A request that never became a question is counted here, because no layer has seen it. */
function undecodable<Form>(error: unknown, at: Undecodable<Form>): WireReply {
  const { wire, planes, codec } = at;
  const fault = asInferError(error);
  const { name } = codec.model;
  planes.env.emit({
    type: "request-done",
    model: planes.data.models().includes(name) ? name : undefined,
    version: undefined,
    backend: undefined,
    protocol: codec.protocol,
    code: fault.code,
    origin: fault.origin,
    tookMs: planes.env.clock.now() - wire.arrivedAt,
  });
  logCause(error, planes, wire.id);
  return { ...codec.fail(error), about: { model: name, code: fault.code, origin: fault.origin, error: fault.message } };
}

/** What the caller asks for itself; of several limits the shortest. */
function callerLimits(wire: WireRequest, hints: Hints) {
  const limits = [hints.timeoutMs, headerMs(wire, "x-request-timeout-ms"), headerMs(wire, "timeout")];
  const timeoutMs = Math.min(...limits.map((limit) => limit ?? Number.POSITIVE_INFINITY));
  return {
    ...(Number.isFinite(timeoutMs) ? { timeoutMs } : {}),
    ...(hints.priority === undefined ? {} : { priority: hints.priority }),
    ...(hints.sequence === undefined ? {} : { sequence: hints.sequence }),
  };
}

function headerMs(wire: WireRequest, name: string): number | undefined {
  const text = wire.headers.get(name);
  if (text === undefined) return undefined;
  const ms = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(ms) && ms > 0) return ms;
  throw invalid(`header ${name}: expected milliseconds greater than 0, got "${text}"`);
}

function about(model: ModelRef, call: Call, end: unknown): Readonly<Record<string, unknown>> {
  const said = call.trace.decisions.map((decision) => `${decision.policy} ${decision.said}`);
  const how = end === "ok" ? { code: "ok" } : faultFields(end);
  return {
    model: model.name,
    ...rounded(call.trace.facts),
    ...how,
    ...(said.length === 0 ? {} : { route: said.join("; ") }),
  };
}

/** The facts with their times to the microsecond, as a person reads them. */
function rounded({ headers: _, ...facts }: Facts): Facts {
  const { queuedMs, ranMs } = facts;
  return {
    ...facts,
    ...(queuedMs === undefined ? {} : { queuedMs: Math.round(queuedMs * 1000) / 1000 }),
    ...(ranMs === undefined ? {} : { ranMs: Math.round(ranMs * 1000) / 1000 }),
  };
}

function faultFields(error: unknown) {
  const fault = asInferError(error);
  return { code: fault.code, origin: fault.origin, error: fault.message };
}

/** What stands behind a fault is for the log only. */
function logCause(error: unknown, planes: Planes, id: string): void {
  const { cause, code } = asInferError(error);
  if (cause !== undefined && code === "internal") planes.env.log.error({ id, err: cause }, "internal error");
}
