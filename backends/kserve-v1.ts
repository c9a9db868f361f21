// The kind `kserve-v1`: a model server of KServe's V1 protocol, which takes rows as JSON under `instances`.

import { z } from "zod";
import type { Call } from "../core/call.ts";
import { InferError } from "../core/error.ts";
import type { ModelMetadata } from "../core/model.ts";
import type { InferRequest, Reply } from "../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../core/tensor.ts";
import { decodeResponse, encodeRequest, JSON_TYPE } from "../wire/kserve-v1.ts";
import { contentTypeOf, mediaType, payloadOf, readOpaque } from "../wire/opaque.ts";
import type { Connection, Door, HttpAnswer, HttpClient } from "./connection.ts";
import { externalKind } from "./external.ts";
import {
  answeredBy,
  chooseOutputs,
  inputBytes,
  knownSignature,
  modelOf,
  readSliced,
  SMALL_BYTES,
} from "./http/answers.ts";
import { kserveFault } from "./kserve-v1/faults.ts";
import { readModels, readServer } from "./kserve-v1/models.ts";

const rows = z
  .enum(["bare", "named"])
  .optional()
  .describe(
    "How a row is written: as the value of the only input (bare, then the default), or as an object of inputs.",
  );

/** How one server is spoken to. */
export const kserveV1Server = { kind: "kserve-v1", words: {}, modelWords: { rows }, connect };

/** KServe's V1 protocol: `kind: kserve-v1`. Signatures are declared, or types are found out from each answer. */
export const kserveV1 = externalKind(kserveV1Server);

interface Words {
  readonly models: Readonly<Record<string, { readonly rows?: "bare" | "named" | undefined }>>;
}

interface Server {
  readonly words: Words;
  readonly door: Door;
  readonly client: HttpClient;
}

function connect(words: Words, door: Door): Connection {
  const client = door.http();
  const server: Server = { words, door, client };
  return {
    infer: (request, call) => infer(server, request, call),
    health: (signal) => readServer(server, signal),
    models: (wanted, signal) => readModels(server, wanted, signal),
    metadata: (model) => Promise.reject<ModelMetadata>(untold(model.name)),
    close: () => client.close(),
  };
}

function untold(model: string): InferError {
  return new InferError(
    "unsupported",
    `KServe's V1 protocol does not tell the signature of model "${model}": declare it`,
  );
}

async function infer(server: Server, request: InferRequest, call: Call): Promise<Reply> {
  const { client, door } = server;
  const verb = verbOf(request);
  const told = await knownSignature(door, modelOf(request), call.signal);
  const payload = payloadIn(request);
  const ask = {
    method: "POST",
    path: `/v1/models/${encodeURIComponent(request.model.name)}:${verb}`,
    headers: { ...door.headers(call), "content-type": JSON_TYPE },
    body: payload === undefined ? await writeRows(server, request, call) : [payload],
  } as const;
  const answer = await client.ask(ask, call);
  if (answer.status !== 200) throw kserveFault(answer);
  const isPayload = payload !== undefined || verb === "explain";
  const outputs = isPayload
    ? [await readPayload(door, answer, call.signal)]
    : chooseOutputs(request, await readRows(door, { answer, told, signal: call.signal }));
  return { kind: "whole", model: answeredBy(request), outputs, parameters: NO_PARAMETERS };
}

function verbOf({ task, model }: InferRequest): "predict" | "explain" {
  if (model.select.by === "label") {
    throw new InferError("unsupported", `model "${model.name}": KServe's V1 protocol has no labels of versions`);
  }
  if (task === "infer") return "predict";
  if (task === "explain") return "explain";
  throw new InferError(
    "unsupported",
    `expected the task infer or explain, got ${task}, which KServe's V1 protocol lacks`,
  );
}

/** The body where the only input is a JSON text of the caller's own. */
function payloadIn({ inputs }: InferRequest): Uint8Array | undefined {
  const [only, second] = inputs;
  if (only === undefined || second !== undefined) return undefined;
  return mediaType(contentTypeOf(only)) === JSON_TYPE ? payloadOf(only) : undefined;
}

async function writeRows({ words, door }: Server, request: InferRequest, call: Call): Promise<readonly Uint8Array[]> {
  const form = words.models[request.model.name]?.rows;
  const work = encodeRequest(request.inputs, form === undefined ? {} : { rows: form });
  return door.run(work, { small: inputBytes(request) <= SMALL_BYTES, signal: call.signal });
}

/** Explanations, and answers to bodies of the caller's own, have any form. */
function readPayload(door: Door, { body, headers }: HttpAnswer, signal: AbortSignal): Promise<Tensor> {
  const work = readOpaque(PAYLOAD_NAME, body, { contentType: headers.get("content-type") ?? JSON_TYPE });
  return readSliced(door, work, { bytes: body.byteLength, signal });
}

/** The name of an answer that is passed on as it is. */
const PAYLOAD_NAME = "body";

interface Answered {
  readonly answer: HttpAnswer;
  readonly told: ModelMetadata | undefined;
  readonly signal: AbortSignal;
}

async function readRows(door: Door, { answer, told, signal }: Answered): Promise<readonly Tensor[]> {
  const known = told === undefined || told.outputs.length === 0 ? {} : { specs: told.outputs };
  return readSliced(door, decodeResponse(answer.body, known), { bytes: answer.body.byteLength, signal });
}
