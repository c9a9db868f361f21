// One :predict or :explain of KServe's V1 protocol: rows as JSON, or a body of the caller's own form.

import type { Call } from "../../../core/call.ts";
import { InferError } from "../../../core/error.ts";
import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { ModelRef, Reply } from "../../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../../core/tensor.ts";
import { decodeRequest, encodeResponse, JSON_TYPE } from "../../../wire/kserve-v1.ts";
import { holdsRows } from "../../../wire/kserve-v1-rows.ts";
import { contentTypeOf, mediaType, payloadOf, readOpaque } from "../../../wire/opaque.ts";
import { collected } from "../collected.ts";
import { type Codec, exchange } from "../exchange.ts";
import { knownSignature } from "../tfs/signature.ts";
import { type EventForm, formOf, type Unwrapped, unwrapped, wrapped } from "./events.ts";
import { fail, NAME } from "./replies.ts";

/** A body up to this size is decoded at once; it takes well below a millisecond. */
const SMALL_BYTES = 32 * 1024;
/** The name of a body that is passed on as it is. */
const PAYLOAD_NAME = "body";

/** What a path asks, and how its body is to be read. */
interface Question {
  readonly task: "infer" | "explain";
  /** `tell`: as rows, or as it is where it has none and nobody knows the inputs; `opaque`: as it is. */
  readonly body: "tell" | "opaque";
}

/** `POST /v1/models/{model}:predict`. */
export function predict(wire: WireRequest, planes: Planes): Promise<WireReply> {
  return exchange(wire, planes, codecOf({ task: "infer", body: "tell" }, wire));
}

/** The same for a model whose handler takes any body, as TorchServe's do on this path. */
export function predictOpaque(wire: WireRequest, planes: Planes): Promise<WireReply> {
  return exchange(wire, planes, codecOf({ task: "infer", body: "opaque" }, wire));
}

/** `POST /v1/models/{model}:explain`: an explanation has any form, both ways. */
export function explain(wire: WireRequest, planes: Planes): Promise<WireReply> {
  return exchange(wire, planes, codecOf({ task: "explain", body: "opaque" }, wire));
}

function codecOf(question: Question, { params, headers }: WireRequest): Codec<EventForm> {
  const model: ModelRef = { name: params.model ?? "", select: { by: "default" } };
  // events say more in their headers, and what is opaque is not decoded at all
  const isRows = question.body === "tell" && formOf(headers) === "none";
  return {
    protocol: NAME,
    model,
    ...(isRows ? { decoding: ["content-type"], bySignature: true } : {}),
    fail: (error) => fail(error, model.name),
    async decode(wire, planes) {
      const { task } = question;
      const read = await unwrapped(wire, planes, SMALL_BYTES);
      const inputs = await readInputs({ question, model, read }, wire, planes);
      return {
        request: { model, task, inputs, parameters: NO_PARAMETERS, stream: false },
        hints: { sluice: NO_PARAMETERS },
        form: read.form,
      };
    },
    encode: (reply, form, at) => encode(reply, form, { ...at, model: model.name }),
  };
}

interface Reading {
  readonly question: Question;
  readonly model: ModelRef;
  readonly read: Unwrapped;
}

async function readInputs(
  { question, model, read }: Reading,
  wire: WireRequest,
  planes: Planes,
): Promise<readonly Tensor[]> {
  const { data } = read;
  const how = { small: data.byteLength <= SMALL_BYTES, signal: wire.signal };
  const { limits } = planes;
  if (question.body === "tell") {
    const specs = (await knownSignature(planes, model, wire.signal))?.inputs;
    const isRows = specs !== undefined || (await planes.run(holdsRows(data, limits), how));
    if (isRows) return planes.run(decodeRequest(data, { limits, ...(specs === undefined ? {} : { specs }) }), how);
  }
  return [await planes.run(readOpaque(PAYLOAD_NAME, data, { contentType: payloadType(question, read) }), how)];
}

// What a client says without meaning it (curl's own) is no better than nothing, which means JSON here.
function payloadType({ task, body }: Question, { contentType }: Unwrapped): string {
  if (task === "infer" && body === "tell") return JSON_TYPE;
  const type = mediaType(contentType);
  const isMeant = contentType !== undefined && type !== "" && type !== "application/x-www-form-urlencoded";
  return isMeant ? contentType : JSON_TYPE;
}

interface At {
  readonly call: Call;
  readonly planes: Planes;
  readonly model: string;
}

async function encode(reply: Reply, form: EventForm, at: At): Promise<WireReply> {
  const { outputs } = await collected(reply, { ...at, instead: "the Open Inference Protocol over gRPC carries it" });
  const [only, second] = outputs;
  const payload = second === undefined && only !== undefined ? contentTypeOf(only) : undefined;
  if (payload !== undefined && only !== undefined) {
    if (form === "structured" && mediaType(payload) !== JSON_TYPE) {
      throw new InferError("unsupported", `an answer of ${payload} does not fit into a structured event of JSON`);
    }
    return wrapped({ status: 200, headers: { "content-type": payload }, body: [payloadOf(only)] }, form, at);
  }
  const small = outputs.every((output) => output.data.byteLength <= SMALL_BYTES);
  const body = await at.planes.run(encodeResponse(outputs), { small, signal: at.call.signal });
  return wrapped({ status: 200, headers: { "content-type": JSON_TYPE }, body }, form, at);
}
