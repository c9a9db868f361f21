// One TensorFlow Serving, spoken to over gRPC.

import { abortReason, type Call } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { InferRequest, ModelRef, Reply } from "../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import { openPace, type Sliced } from "../../wire/sliced.ts";
import { examplesOf } from "../../wire/tfs-examples.ts";
import { decodeResponse, encodeRequest, type ModelSpec } from "../../wire/tfs-proto.ts";
import {
  decodeMetadata,
  decodeStatus,
  encodeMetadataRequest,
  encodeStatusRequest,
} from "../../wire/tfs-proto-documents.ts";
import { decodeClassifyResponse, decodeRegressResponse, encodeExamplesRequest } from "../../wire/tfs-proto-examples.ts";
import { byName } from "../../wire/tfs-signatures.ts";
import type { Connection, Door, GrpcClient } from "../connection.ts";
import { chooseOutputs, inputBytes, MAX_OUTPUTS, SMALL_BYTES } from "../http/answers.ts";
import { grpcFaultOf } from "./faults.ts";
import { readMetadata, readModels, type TfsTeller } from "./models.ts";
import { signatureSent, type TfsWords, usualSignature } from "./words.ts";

interface Server {
  readonly words: TfsWords;
  readonly door: Door;
  readonly client: GrpcClient;
}

const PREDICTION = "/tensorflow.serving.PredictionService";
const STATUS = "/tensorflow.serving.ModelService/GetModelStatus";

/** Opens the connection. */
export function openTfsGrpc(words: TfsWords, door: Door): Connection {
  const client = door.grpc({ faultOf: grpcFaultOf });
  const server: Server = { words, door, client };
  const ask = (path: string, message: Uint8Array, signal: AbortSignal) =>
    client.unary({ path, headers: door.headers(undefined) }, message, { signal });
  const teller: TfsTeller = {
    status: async ({ name }, signal) =>
      decodeStatus(await ask(STATUS, encodeStatusRequest({ name, signature: "" }), signal)),
    metadata: async (model, signal) => {
      const message = encodeMetadataRequest(specOf(model, ""));
      return decodeMetadata(await ask(`${PREDICTION}/GetModelMetadata`, message, signal));
    },
  };
  return {
    infer: (request, call) => infer(server, request, call),
    health: async (signal) => {
      await ask(STATUS, encodeStatusRequest({ name: "", signature: "" }), signal).catch(isUp);
      return "tf-serving";
    },
    models: (wanted, signal) => readModels(teller, wanted, signal),
    metadata: (model, signal) => readMetadata(teller, { model, signature: usualSignature(words, model.name) }, signal),
    naming: "all",
    close: () => client.close(),
  };
}

// Health is a service that TF Serving has only by a flag. A question about no model is refused by a server that is up.
function isUp(error: unknown): undefined {
  if (error instanceof InferError && (error.code === "invalid-argument" || error.code === "not-found"))
    return undefined;
  throw error;
}

function specOf({ name, select }: ModelRef, signature: string): ModelSpec {
  if (select.by === "label") return { name, signature, label: select.label };
  return { name, signature, ...(select.by === "version" ? { version: versionNumber(select.version) } : {}) };
}

function versionNumber(version: string): bigint {
  if (/^\d{1,18}$/.test(version)) return BigInt(version);
  throw new InferError("not-found", `expected a version that is a number, got "${version.slice(0, 40)}"`);
}

/** What differs by the task. */
interface Method {
  readonly path: string;
  write(request: InferRequest, model: ModelSpec): Sliced<Uint8Array>;
  read(message: Uint8Array): Sliced<{ readonly model?: ModelSpec; readonly outputs: readonly Tensor[] }>;
}

const PREDICT: Method = {
  path: `${PREDICTION}/Predict`,
  write: ({ inputs, outputs }, model) =>
    encodeRequest({ model, inputs, outputs: (outputs ?? []).map(({ name }) => name) }),
  read: (message) => decodeResponse(message, { maxTensors: MAX_OUTPUTS }),
};

const CLASSIFY: Method = {
  path: `${PREDICTION}/Classify`,
  write: (request, model) => writeExamples(request, model),
  read: (message) => decodeClassifyResponse(message),
};

const REGRESS: Method = {
  path: `${PREDICTION}/Regress`,
  write: (request, model) => writeExamples(request, model),
  read: (message) => decodeRegressResponse(message),
};

function* writeExamples({ inputs }: InferRequest, model: ModelSpec): Sliced<Uint8Array> {
  return encodeExamplesRequest({ model, examples: yield* examplesOf(inputs, openPace({})) });
}

function methodOf({ task }: InferRequest): Method {
  switch (task) {
    case "infer":
      return PREDICT;
    case "classify":
      return CLASSIFY;
    case "regress":
      return REGRESS;
    case "explain":
      throw new InferError("unsupported", "TF Serving cannot explain");
    default:
      return task satisfies never;
  }
}

async function infer({ words, door, client }: Server, request: InferRequest, call: Call): Promise<Reply> {
  const { signal } = call;
  if (signal.aborted) throw abortReason(signal);
  const method = methodOf(request);
  const { model } = request;
  const spec = specOf(model, signatureSent(words, request) ?? "");
  const small = inputBytes(request) <= SMALL_BYTES;
  const message = await door.run(method.write(request, spec), { small, signal });
  const answer = await client.unary({ path: method.path, headers: door.headers(call) }, message, call);
  const read = await door.run(method.read(answer), { small: answer.byteLength <= SMALL_BYTES, signal });
  const asked = model.select.by === "version" ? model.select.version : "1";
  const version = read.model?.version === undefined ? asked : String(read.model.version);
  return {
    kind: "whole",
    model: { name: model.name, version },
    outputs: inOrder(request, read.outputs),
    parameters: NO_PARAMETERS,
  };
}

// A map has no order: that of the request holds, else that of the names, as in the signature.
function inOrder(request: InferRequest, outputs: readonly Tensor[]): readonly Tensor[] {
  return chooseOutputs(request, byName(outputs));
}
