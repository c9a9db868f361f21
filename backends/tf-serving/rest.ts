// One TensorFlow Serving, spoken to over REST.

import { abortReason, type Call } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { InferRequest, InferResponse, ModelRef, Reply } from "../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import type { RowSpec } from "../../wire/json-rows.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../wire/oip-json.ts";
import { openPace, type Sliced } from "../../wire/sliced.ts";
import { examplesOf } from "../../wire/tfs-examples.ts";
import { decodeResponse, encodeRequest } from "../../wire/tfs-json.ts";
import { decodeMetadata, decodeStatus } from "../../wire/tfs-json-documents.ts";
import { decodeClassifyResponse, decodeRegressResponse, encodeExamplesRequest } from "../../wire/tfs-json-examples.ts";
import type { Connection, Door, HttpAnswer, HttpClient } from "../connection.ts";
import { chooseOutputs, inputBytes, modelOf, SMALL_BYTES } from "../http/answers.ts";
import { segment } from "../oip/paths.ts";
import { restFault } from "./faults.ts";
import { type KnownOutputs, openTold, readMetadata, readModels, type TfsTeller, type ToldOutputs } from "./models.ts";
import { formatOf, signatureSent, type TfsWords, usualSignature } from "./words.ts";

interface Server {
  readonly words: TfsWords;
  readonly door: Door;
  readonly client: HttpClient;
  readonly teller: TfsTeller;
  readonly told: ToldOutputs;
}

/** Opens the connection. */
export function openTfsRest(words: TfsWords, door: Door): Connection {
  const client = door.http();
  const get = async (path: string, signal: AbortSignal) => {
    const headers = door.headers(undefined);
    const answer = await client.ask({ method: "GET", path, headers, idempotent: true }, { signal });
    if (answer.status !== 200) throw restFault(answer);
    return answer.body;
  };
  const teller: TfsTeller = {
    status: async ({ name }, signal) => decodeStatus(await get(`/v1/models/${segment(name)}`, signal)),
    metadata: async (model, signal) => decodeMetadata(await get(`${pathOf(model)}/metadata`, signal)),
  };
  const server: Server = { words, door, client, teller, told: openTold(teller, door.env.clock) };
  return {
    infer: (request, call) => infer(server, request, call),
    health: (signal) => askHealth(server, signal),
    models: (wanted, signal) => readModels(teller, wanted, signal),
    metadata: (model, signal) => readMetadata(teller, { model, signature: usualSignature(words, model.name) }, signal),
    close: () => client.close(),
  };
}

function pathOf({ name, select }: ModelRef): string {
  const model = `/v1/models/${segment(name)}`;
  if (select.by === "version") return `${model}/versions/${segment(select.version)}`;
  return select.by === "label" ? `${model}/labels/${segment(select.label)}` : model;
}

// There is no path for it. The one of all models is refused with 400 for want of a name, which only a server that is up
// does; whatever else is there says 404, or is no more than a proxy before nothing.
async function askHealth({ client, door }: Server, signal: AbortSignal): Promise<string> {
  const ask = { method: "GET", path: "/v1/models", headers: door.headers(undefined), idempotent: true } as const;
  const { status } = await client.ask(ask, { signal });
  if (status < 500 && status !== 401 && status !== 403 && status !== 429) return "tf-serving";
  throw new InferError("unavailable", `the server answers its health check with status ${status}`);
}

async function infer(server: Server, request: InferRequest, call: Call): Promise<Reply> {
  if (call.signal.aborted) throw abortReason(call.signal);
  const verb = verbOf(request);
  const { door, client } = server;
  // before the question: without it the answer could not be read
  const known = verb === "predict" ? await outputsOf(server, request, call.signal) : undefined;
  const headers = { ...door.headers(call), "content-type": "application/json" };
  const work = verb === "predict" ? writePredict(server, request) : writeExamples(server, request);
  const body = await door.run(work, { small: inputBytes(request) <= SMALL_BYTES, signal: call.signal });
  const path = `${pathOf(request.model)}:${verb}`;
  const answer = await client.ask({ method: "POST", path, headers, body, idempotent: true }, call);
  if (answer.status !== 200) throw restFault(answer);
  return readReply(server, known, { request, answer, call });
}

function verbOf({ task }: InferRequest): "predict" | "classify" | "regress" {
  if (task === "infer") return "predict";
  if (task !== "explain") return task;
  throw new InferError("unsupported", "TF Serving cannot explain");
}

function writePredict({ words }: Server, request: InferRequest): Sliced<readonly Uint8Array[]> {
  const signature = signatureSent(words, request);
  const format = formatOf(words, request.model.name);
  return encodeRequest({ inputs: request.inputs, format, ...(signature === undefined ? {} : { signature }) });
}

function* writeExamples({ words }: Server, request: InferRequest): Sliced<readonly Uint8Array[]> {
  const signature = signatureSent(words, request);
  const examples = yield* examplesOf(request.inputs, openPace({}));
  return yield* encodeExamplesRequest({ examples, ...(signature === undefined ? {} : { signature }) });
}

interface Answered {
  readonly request: InferRequest;
  readonly answer: HttpAnswer;
  readonly call: Call;
}

async function readReply(
  { door }: Server,
  known: KnownOutputs | undefined,
  { request, answer, call }: Answered,
): Promise<InferResponse> {
  const small = answer.body.byteLength <= SMALL_BYTES;
  const outputs = await door.run(readOutputs(request, answer.body, known?.specs), { small, signal: call.signal });
  const { name, select } = request.model;
  const version = select.by === "version" ? select.version : (known?.version ?? "1");
  return {
    kind: "whole",
    model: { name, version },
    outputs: chooseOutputs(request, outputs),
    parameters: NO_PARAMETERS,
  };
}

function readOutputs(
  { task }: InferRequest,
  body: Uint8Array,
  specs: readonly RowSpec[] | undefined,
): Sliced<readonly Tensor[]> {
  if (task === "classify") return decodeClassifyResponse(body, { limits });
  if (task === "regress") return decodeRegressResponse(body, { limits });
  return decodeResponse(body, { limits, ...(specs === undefined ? {} : { specs }) });
}

// The answer carries no datatypes: the signature has them. The usual one is kept by the frame.
async function outputsOf(
  { words, door, told }: Server,
  request: InferRequest,
  signal: AbortSignal,
): Promise<KnownOutputs> {
  const { model } = request;
  const usual = usualSignature(words, model.name);
  const signature = signatureSent(words, request) ?? usual;
  if (signature !== usual || model.select.by === "label") return told({ model, signature }, signal);
  const { outputs, version } = await door.signature(modelOf(request), signal);
  return { specs: outputs, version };
}
