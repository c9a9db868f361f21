// Predictions and explanations as TorchServe takes them: the body of a model's own, whole or as it comes.

import type { Call, Sequence } from "../../../core/call.ts";
import { InferError, invalid } from "../../../core/error.ts";
import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { InferResponse, InferStream, ModelRef, Reply, Task } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { UNKNOWN_TYPE } from "../../../wire/opaque.ts";
import { type Codec, type Decoded, exchange } from "../exchange.ts";
import { inOrder } from "../typed-body/order.ts";
import { writeTypedBody } from "../typed-body/write.ts";
import {
  type BodyForm,
  declaredOf,
  readTypedBody,
  rememberedBy,
  SMALL_BYTES,
  type TypedBody,
  URLENCODED_TYPE,
} from "../typed-body.ts";
import { ANSWER_HEADERS, fail, failOf } from "./fail.ts";

/** The label in metrics, logs and traces; the kind of backend whose bodies go on as they are. */
export const NAME = "torchserve";

/** Answers one prediction or explanation. Never throws. */
export function predict(task: Extract<Task, "infer" | "explain">) {
  return (wire: WireRequest, planes: Planes): Promise<WireReply> => {
    const model = modelOf(wire);
    if (model.name === "") return Promise.resolve(fail(new InferError("not-found", `no such path: ${wire.path}`)));
    const codec: Codec<BodyForm> = {
      protocol: NAME,
      model,
      // what goes on with a sequence is never kept
      ...(wire.headers.has(SEQUENCE_ID) ? {} : rememberedBy(wire)),
      decode: (asked, at) => decode({ model, task }, asked, at),
      encode,
      fail: failOf(model, planes),
    };
    return exchange(wire, planes, codec);
  };
}

/** The model and the version of a path. */
export function modelOf({ params: { model = "", version } }: Pick<WireRequest, "params">): ModelRef {
  return { name: model, select: version === undefined ? { by: "default" } : { by: "version", version } };
}

async function decode(
  { model, task }: { readonly model: ModelRef; readonly task: "infer" | "explain" },
  wire: WireRequest,
  planes: Planes,
): Promise<Decoded<BodyForm>> {
  const declared = await declaredOf(model, { wire, planes, ownKind: NAME });
  const { inputs, form, opaque } = await readTypedBody(bodyOf(wire), { declared, wire, planes });
  const sequence = sequenceOf(wire);
  return {
    // whether a handler streams is known only from its answer
    request: { model, task, inputs, parameters: NO_PARAMETERS, stream: opaque || declared?.decoupled === true },
    hints: { sluice: NO_PARAMETERS, ...(sequence === undefined ? {} : { sequence }) },
    form,
  };
}

/** A request without a body has its inputs in the query, which a handler sees as a form. */
function bodyOf({ body, headers, query }: WireRequest): TypedBody {
  const bytes = body as Uint8Array;
  if (bytes.byteLength > 0) return { body: bytes, contentType: headers.get("content-type") };
  return { body: Buffer.from(query.toString()), contentType: URLENCODED_TYPE };
}

const SEQUENCE_ID = "ts_request_sequence_id";

/** Source: TorchServe's ts_request_sequence_id and its fellows, under their usual names. */
function sequenceOf({ headers }: WireRequest): Sequence | undefined {
  const id = headers.get(SEQUENCE_ID);
  if (id === undefined) return undefined;
  if (id === "") throw invalid("header ts_request_sequence_id: expected the id of a sequence, got nothing");
  const isTrue = (name: string) => headers.get(name)?.toLowerCase() === "true";
  return { id, start: isTrue("ts_request_sequence_start"), end: isTrue("ts_request_sequence_end") };
}

/** The bytes of one answer; no content type where the model says none, as there. */
async function encode(
  reply: Reply,
  form: BodyForm,
  at: { readonly call: Call; readonly planes: Planes },
): Promise<WireReply> {
  if (reply.kind === "stream") {
    const headers = { ts_stream_next: "true", ...ANSWER_HEADERS };
    return { status: 200, headers, body: pieces(reply, form, at) };
  }
  const { parts, contentType } = await writePrediction(reply, form, at);
  const type = contentType === UNKNOWN_TYPE ? {} : { "content-type": contentType };
  return { status: 200, headers: { ...type, ...ANSWER_HEADERS }, body: parts };
}

/** The bytes of one answer, as a handler of TorchServe gives them. */
export async function writePrediction(
  response: InferResponse,
  form: BodyForm,
  at: { readonly call: Call; readonly planes: Planes },
) {
  const small = response.outputs.every((output) => output.data.byteLength <= SMALL_BYTES);
  const work = writeTypedBody(await inOrder(response, form, at), { form, rows: "alone" });
  return at.planes.run(work, { small, signal: at.call.signal });
}

async function* pieces(
  { parts }: InferStream,
  form: BodyForm,
  at: { readonly call: Call; readonly planes: Planes },
): AsyncGenerator<Uint8Array> {
  for await (const part of parts) yield* (await writePrediction(part, form, at)).parts;
}
