// The one sequence of every inference exchange: decode, open the call, infer, encode, or fail in the protocol's own shape.

import {
  type CacheWish,
  type Call,
  type CallInit,
  deadlineExceeded,
  type OwnedCall,
  openCall,
} from "../../core/call.ts";
import { asInferError, type InferError, invalid } from "../../core/error.ts";
import type { Hints } from "../../core/hints.ts";
import { callInit, type Planes, type WireReply, type WireRequest } from "../../core/protocol.ts";
import { type InferRequest, type InferStream, type ModelRef, type Reply, whenEnded } from "../../core/request.ts";
import type { Facts } from "../../core/trace.ts";
import { type Decoder, type Recalled, recall } from "./recall.ts";
import { kindOf } from "./unread.ts";
import { describeDecisions, headersOfWay, NO_WAY } from "./way.ts";

/** What a decoder makes of a request: the question, what concerns its caller, and how the answer is to look. */
export interface Decoded<Form> {
  readonly request: InferRequest;
  readonly hints: Hints;
  readonly form: Form;
}

export interface Codec<Form> extends Decoder<Decoded<Form>> {
  encode(reply: Reply, form: Form, at: { readonly call: Call; readonly planes: Planes }): Promise<WireReply>;
  fail(error: unknown): WireReply;
}

/** Serves one inference request; never throws. */
export async function exchange<Form>(wire: WireRequest, planes: Planes, codec: Codec<Form>): Promise<WireReply> {
  const crowded = crowdedOut({ wire, planes, codec });
  if (crowded !== undefined) return undecodable(crowded, { wire, planes, codec });
  let recalled: Recalled<Decoded<Form>>;
  let call: OwnedCall;
  try {
    recalled = await recall(wire, planes, codec);
    const init = callInit(wire, planes, codec.protocol);
    const limits = callerLimits(wire, recalled.decoded.hints);
    call = openCall(limits === NO_LIMITS ? init : { ...init, ...limits });
  } catch (error) {
    return undecodable(error, { wire, planes, codec });
  }
  const { decoded } = recalled;
  const model = codec.model ?? decoded.request.model;
  const failed = (error: unknown): WireReply => ({
    ...withHeaders(codec.fail(error), call, planes),
    about: about(model, call, { planes, error }),
  });
  let reply: Reply | undefined;
  try {
    reply = await planes.data.infer(decoded.request, call);
    recalled.keep();
    const encoded = withHeaders(await codec.encode(reply, decoded.form, { call, planes }), call, planes);
    if (isParts(encoded.body))
      return { ...encoded, body: untilRead(encoded.body, call), about: about(model, call, { planes }) };
    call.end();
    tellCrowds(undefined, { wire, planes, codec });
    return { ...encoded, spent: call.loan.isOver, about: about(model, call, { planes }), ...whenLate(failed, call) };
  } catch (error) {
    if (reply?.kind === "stream") giveBack(reply, call, asInferError(error));
    call.end();
    logCause(error, planes, call.id);
    tellCrowds(asInferError(error), { wire, planes, codec });
    return failed(error);
  }
}

type Crowding = Pick<Undecodable<unknown>, "wire" | "planes"> & { readonly codec: Pick<Decoder<never>, "model"> };

/** Why it is refused unread, where most of its kind are refused. */
function crowdedOut({ wire, planes, codec }: Crowding): InferError | undefined {
  const { crowds } = planes;
  if (crowds === undefined || !crowds.any) return undefined;
  const kind = kindOf(wire, codec.model, planes);
  return kind && crowds.refusal(kind);
}

function tellCrowds(fault: InferError | undefined, { wire, planes, codec }: Crowding): void {
  const { crowds } = planes;
  if (crowds === undefined || !(crowds.any || fault?.crowded === true)) return;
  const kind = kindOf(wire, codec.model, planes);
  if (kind !== undefined) crowds.ended(kind, fault);
}

/** An answer may have to wait until it is written, and its deadline goes on. */
function whenLate(failed: (error: InferError) => WireReply, { startedAt, deadline }: Call): Pick<WireReply, "late"> {
  if (!Number.isFinite(deadline)) return {};
  return { late: { from: deadline, instead: () => failed(deadlineExceeded(deadline - startedAt)) } };
}

/** Ends a stream that nobody reads on. A generator that was never begun ends nothing, so it is begun. */
function giveBack({ parts }: InferStream, call: OwnedCall, why: InferError): void {
  call.cancel(why);
  const iterator = parts[Symbol.asyncIterator]();
  const done = () => iterator.return?.();
  iterator
    .next()
    .then(done, done)
    .catch(() => {});
}

function isParts(body: WireReply["body"]): body is AsyncIterable<Uint8Array> {
  return Symbol.asyncIterator in body;
}

/**
 * The parts of an answer whose call goes on until they are read: its deadline and its caller's leaving reach them. A reader
 * that never begins leaves it to the deadline.
 */
function untilRead(parts: AsyncIterable<Uint8Array>, call: OwnedCall): AsyncIterable<Uint8Array> {
  return whenEnded(parts, () => call.end());
}

/** The protocol's own headers win over those that a backend may tell the caller. */
function withHeaders(reply: WireReply, call: Call, planes: Planes): WireReply {
  const { headers } = call.trace.facts;
  const way = headersOfWay(call, planes);
  if (headers === undefined && way === NO_WAY) return reply;
  return { ...reply, headers: { ...Object.fromEntries(headers ?? []), ...reply.headers, ...way } };
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
  const name = codec.model?.name;
  planes.env.emit({
    type: "request-done",
    model: name !== undefined && planes.data.models().includes(name) ? name : undefined,
    version: undefined,
    backend: undefined,
    protocol: codec.protocol,
    code: fault.code,
    origin: fault.origin,
    tookMs: planes.env.clock.now() - wire.arrivedAt,
  });
  logCause(error, planes, wire.id);
  const said = { code: fault.code, origin: fault.origin, error: fault.message };
  return { ...codec.fail(error), about: name === undefined ? said : { model: name, ...said } };
}

/** Of a caller who asks for nothing. */
const NO_LIMITS: Partial<CallInit> = {};

/** What the caller asks for itself; of several limits the shortest. @throws InferError invalid-argument */
export function callerLimits(wire: Pick<WireRequest, "headers" | "timeoutMs">, hints: Hints): Partial<CallInit> {
  const timeoutMs = Math.min(
    wire.timeoutMs ?? Number.POSITIVE_INFINITY,
    hints.timeoutMs ?? Number.POSITIVE_INFINITY,
    headerMs(wire, "x-request-timeout-ms"),
    headerMs(wire, "timeout"),
  );
  const { priority, sequence, sluice } = hints;
  if (timeoutMs === Number.POSITIVE_INFINITY && priority === undefined && sequence === undefined && sluice.size === 0) {
    return NO_LIMITS;
  }
  return {
    ...(Number.isFinite(timeoutMs) ? { timeoutMs } : {}),
    ...(priority === undefined ? {} : { priority }),
    ...(sequence === undefined ? {} : { sequence }),
    ...cacheWish(hints),
  };
}

const WISHES: readonly string[] = ["no-cache", "no-store", "only-if-cached"] satisfies readonly CacheWish[];

function cacheWish({ sluice }: Hints): { readonly cache?: CacheWish } {
  const said = sluice.get("sluice_cache");
  if (said === undefined) return {};
  if (typeof said === "string" && WISHES.includes(said)) return { cache: said as CacheWish };
  throw invalid(`parameter sluice_cache: expected ${WISHES.join(", ")}, got ${JSON.stringify(String(said))}`);
}

function headerMs(wire: Pick<WireRequest, "headers">, name: string): number {
  const text = wire.headers.get(name);
  if (text === undefined) return Number.POSITIVE_INFINITY;
  const ms = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(ms) && ms > 0) return ms;
  throw invalid(`header ${name}: expected milliseconds greater than 0, got "${text}"`);
}

/** Its planes, and the error that it ended in, if it did. */
interface End {
  readonly planes: Planes;
  readonly error?: unknown;
}

const OK = { code: "ok" };

function about(model: ModelRef, call: Call, { planes, error }: End): Readonly<Record<string, unknown>> {
  // a way that no line tells is not put into words
  const route = error !== undefined || tellsRequests(planes) ? describeDecisions(call.trace.decisions) : "";
  const fields: Record<string, unknown> = { model: model.name };
  tellFacts(call.trace.facts, fields);
  Object.assign(fields, error === undefined ? OK : faultFields(error));
  if (route !== "") fields.route = route;
  return fields;
}

/** Whether the log has a line for a request that is answered. */
function tellsRequests({ env }: Planes): boolean {
  const { level = "info" } = env.log;
  return level === "info" || level === "debug";
}

/** The facts as a person reads them, with times to the microsecond. */
function tellFacts(facts: Facts, fields: Record<string, unknown>): void {
  let name: keyof Facts;
  for (name in facts) {
    const said = facts[name];
    if (name === "queuedMs" || name === "ranMs") fields[name] = Math.round((said as number) * 1000) / 1000;
    else if (name !== "headers") fields[name] = said;
  }
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
