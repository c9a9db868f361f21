// Triton's generate and generate_stream: one JSON object in; one out, or a stream of server-sent events.

import type { Call } from "../../../core/call.ts";
import { asInferError, InferError } from "../../../core/error.ts";
import type { Planes, Route, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { InferResponse, ModelRef, Reply } from "../../../core/request.ts";
import { decodeGenerate, encodeGenerate } from "../../../wire/generate.ts";
import { liftParameters } from "../../../wire/oip-parameters.ts";
import { type Codec, type Decoded, exchange } from "../exchange.ts";

/** A body up to this size is decoded at once. */
const SMALL_BYTES = 32 * 1024;
const JSON_TYPE = { "content-type": "application/json" };
const EVENTS_TYPE = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };

interface GenerateOptions {
  readonly protocol: string;
  fail(error: unknown): WireReply;
}

type Form = string | undefined;

interface At {
  readonly call: Call;
  readonly planes: Planes;
}

/** The routes, with and without a version; errors look as the front's own do. */
export function generateRoutes(options: GenerateOptions): readonly Route[] {
  const route = (tail: string, isStream: boolean): readonly Route[] =>
    ["/v2/models/:model", "/v2/models/:model/versions/:version"].map((path) => ({
      method: "POST",
      path: `${path}${tail}`,
      handle: (wire, planes) => exchange(wire, planes, codecFor(modelOf(wire), { ...options, isStream })),
    }));
  return [...route("/generate", false), ...route("/generate_stream", true)];
}

function modelOf({ params: { model = "", version } }: WireRequest): ModelRef {
  return { name: model, select: version === undefined ? { by: "default" } : { by: "version", version } };
}

function codecFor(model: ModelRef, how: GenerateOptions & { readonly isStream: boolean }): Codec<Form> {
  const { protocol, fail, isStream } = how;
  return {
    protocol,
    model,
    fail,
    decode: (wire, planes) => decode(model, { wire, planes, isStream }),
    encode: (reply, id, at) => (isStream ? encodeEvents(reply, id, at) : encodeOne(reply, id, at)),
  };
}

interface DecodeAt {
  readonly wire: WireRequest;
  readonly planes: Planes;
  readonly isStream: boolean;
}

async function decode(model: ModelRef, { wire, planes, isStream }: DecodeAt): Promise<Decoded<Form>> {
  const body = wire.body as Uint8Array;
  const metadata = await planes.data.signature(model, wire.signal);
  const {
    id,
    inputs,
    parameters: all,
  } = await planes.run(decodeGenerate(body, metadata, { limits: planes.limits }), {
    small: body.byteLength <= SMALL_BYTES,
    signal: wire.signal,
  });
  const { parameters, hints } = liftParameters(all, id);
  // a model that answers any number of times is asked for a stream, which may turn out to be one answer
  const stream = isStream ? metadata.decoupled !== false : metadata.decoupled === true;
  return { request: { model, task: "infer", inputs, parameters, stream }, hints, form: id };
}

async function encodeOne(reply: Reply, id: Form, at: At): Promise<WireReply> {
  const whole = reply.kind === "whole" ? reply : await only(reply.parts);
  return { status: 200, headers: JSON_TYPE, body: await encode(whole, id, at) };
}

async function only(parts: AsyncIterable<InferResponse>): Promise<InferResponse> {
  let found: InferResponse | undefined;
  for await (const part of parts) {
    if (found !== undefined) throw notOne();
    found = part;
  }
  if (found === undefined) throw notOne();
  return found;
}

function notOne(): InferError {
  return new InferError(
    "unsupported",
    "generate expects model to produce exactly 1 response, use generate stream for model that generates various number of responses",
  );
}

function encode(response: InferResponse, id: Form, { call, planes }: At): Promise<readonly Uint8Array[]> {
  const small = response.outputs.every((output) => output.data.byteLength <= SMALL_BYTES);
  return Promise.resolve(planes.run(encodeGenerate(response, id), { small, signal: call.signal }));
}

/** The first answer decides the status: a fault before it is an answer of its own, one behind it an event. */
async function encodeEvents(reply: Reply, id: Form, at: At): Promise<WireReply> {
  if (reply.kind === "whole") return { status: 200, headers: EVENTS_TYPE, body: [event(await encode(reply, id, at))] };
  const parts = reply.parts[Symbol.asyncIterator]();
  const first = await parts.next();
  const head = first.done === true ? undefined : event(await encode(first.value, id, at));
  return { status: 200, headers: EVENTS_TYPE, body: events(parts, head, (part) => encode(part, id, at)) };
}

async function* events(
  parts: AsyncIterator<InferResponse>,
  first: Uint8Array | undefined,
  write: (part: InferResponse) => Promise<readonly Uint8Array[]>,
): AsyncGenerator<Uint8Array> {
  let isOver = first === undefined;
  try {
    if (first !== undefined) yield first;
    while (!isOver) {
      const step = await parts.next();
      isOver = step.done === true;
      if (step.done !== true) yield event(await write(step.value));
    }
  } catch (error) {
    isOver = true;
    yield event([Buffer.from(JSON.stringify({ error: asInferError(error).message }))]);
  } finally {
    // the reader has gone: so does what is left of the stream
    if (!isOver) await parts.return?.();
  }
}

function event(json: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([Buffer.from("data: "), ...json, Buffer.from("\n\n")]);
}
