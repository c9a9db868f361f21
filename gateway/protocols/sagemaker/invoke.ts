// An invocation as SageMaker's runtime and its containers take it: a body of the model's own, answered whole or in frames.

import type { Call } from "../../../core/call.ts";
import { asInferError } from "../../../core/error.ts";
import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { InferResponse, ModelRef, Reply } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { EVENT_STREAM_TYPE } from "../../../wire/event-stream.ts";
import { JSON_TYPE } from "../../../wire/kserve-v1.ts";
import { encodeEvent, type StreamEvent } from "../../../wire/sagemaker.ts";
import type { Sliced } from "../../../wire/sliced.ts";
import type { TypedBody } from "../../../wire/torchserve.ts";
import { collected } from "../collected.ts";
import type { Decoded } from "../exchange.ts";
import { inOrder } from "../typed-body/order.ts";
import { acceptedForm, writeTypedBody } from "../typed-body/write.ts";
import { type BodyForm, declaredOf, readTypedBody, SMALL_BYTES } from "../typed-body.ts";
import { typeOf } from "./fail.ts";

/** The label in metrics, logs and traces; the kind of backend whose bodies go on as they are. */
export const NAME = "sagemaker";

/** What an invocation is read with. */
export interface Invocation {
  readonly model: ModelRef;
  /** The answer is wanted as a stream: wherever there may be one, where the model is known to give one, or not at all. */
  readonly stream: boolean | "known";
  /** The header that says in which form. */
  readonly accept: string;
}

/** Where an answer is written. */
export interface At {
  readonly call: Call;
  readonly planes: Planes;
}

/** Reads an invocation. */
export async function decode(
  { model, stream, accept }: Invocation,
  wire: WireRequest,
  planes: Planes,
): Promise<Decoded<BodyForm>> {
  const declared = await declaredOf(model, { wire, planes, ownKind: NAME });
  const typed = { body: wire.body as Uint8Array, contentType: wire.headers.get("content-type") };
  const { inputs, form, opaque } = await readTypedBody(typed, { declared, wire, planes });
  const wanted = opaque ? form : acceptedForm(wire.headers.get(accept), form);
  const decoupled = declared?.decoupled;
  const isStream = stream === "known" ? decoupled === true : stream && (opaque || decoupled !== false);
  return {
    request: { model, task: "infer", inputs, parameters: NO_PARAMETERS, stream: isStream },
    hints: { sluice: NO_PARAMETERS },
    form: wanted,
  };
}

/** The answer of `invocations`, the parts of a stream put together. @throws InferError as `collected` and the writer */
export async function encodeWhole(reply: Reply, form: BodyForm, at: At): Promise<WireReply> {
  const whole = await collected(reply, { ...at, instead: "invocations-response-stream carries it" });
  const { parts, contentType } = await write(whole, form, at);
  return { status: 200, headers: { "content-type": contentType, [VARIANT]: whole.model.version }, body: parts };
}

/** The answer of `invocations-response-stream`: frames, as they come. What fails before the first has a status of its own. */
export async function encodeFrames(reply: Reply, form: BodyForm, at: At): Promise<WireReply> {
  const parts = reply.kind === "stream" ? reply.parts : one(reply);
  const iterator = parts[Symbol.asyncIterator]();
  const first = await iterator.next();
  const head =
    first.done === true ? undefined : { version: first.value.model.version, body: await write(first.value, form, at) };
  return {
    status: 200,
    headers: {
      "content-type": EVENT_STREAM_TYPE,
      "x-amzn-sagemaker-content-type": head?.body.contentType ?? JSON_TYPE,
      ...(head === undefined ? {} : { [VARIANT]: head.version }),
    },
    body: frames({ first: head?.body, rest: iterator, form }, at),
  };
}

/** The header that names who answered. */
export const VARIANT = "x-amzn-invoked-production-variant";

async function* one(response: InferResponse): AsyncGenerator<InferResponse> {
  yield response;
}

/** The bytes of one answer or part. */
export async function write(response: InferResponse, form: BodyForm, at: At): Promise<TypedBody> {
  const small = response.outputs.every((output) => output.data.byteLength <= SMALL_BYTES);
  const work = writeTypedBody(await inOrder(response, form, at), { form, rows: "predictions" });
  return at.planes.run(work, { small, signal: at.call.signal });
}

/** Payload of one frame at most: its checksum takes about a millisecond. */
const FRAME_BYTES = 256 * 1024;

interface Framing {
  /** What has been taken from the iterator already. */
  readonly first: TypedBody | undefined;
  readonly rest: AsyncIterator<InferResponse>;
  readonly form: BodyForm;
}

async function* frames({ first, rest, form }: Framing, at: At): AsyncGenerator<Uint8Array> {
  try {
    if (first !== undefined) yield* framesOf(first, at);
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
      yield* framesOf(await write(next.value, form, at), at);
    }
  } catch (error) {
    // the status is out: the end of the stream tells what went wrong
    yield encodeEvent(lastWords(error));
  } finally {
    await rest.return?.();
  }
}

async function* framesOf({ parts }: TypedBody, { call, planes }: At): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    for (let from = 0; from < part.byteLength; from += FRAME_BYTES) {
      const bytes = part.subarray(from, from + FRAME_BYTES);
      yield await planes.run(frameOf(bytes), { small: part.byteLength <= SMALL_BYTES, signal: call.signal });
    }
  }
}

// biome-ignore lint/correctness/useYield: one frame is one slice
function* frameOf(bytes: Uint8Array): Sliced<Uint8Array> {
  return encodeEvent({ kind: "part", bytes });
}

function lastWords(error: unknown): StreamEvent {
  const { code, message } = asInferError(error);
  const isModel = typeOf(code) === "ModelError";
  return {
    kind: "error",
    type: isModel ? "ModelStreamError" : "InternalStreamFailure",
    code: isModel ? "StreamBroken" : "",
    message,
  };
}
