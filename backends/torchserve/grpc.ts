// Predictions of TorchServe over its own gRPC service, whole or as they come.

import type { Call } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { InferRequest, InferResponse, Reply } from "../../core/request.ts";
import { NO_PARAMETERS } from "../../core/tensor.ts";
import { opaqueTensor, UNKNOWN_TYPE } from "../../wire/opaque.ts";
import { BODY_NAME, encodeParts } from "../../wire/torchserve.ts";
import { decodeHealth } from "../../wire/torchserve-documents.ts";
import { healthResponse, predictionResponse, predictionsRequest, SERVICE } from "../../wire/torchserve-proto.ts";
import type { GrpcAsk, GrpcClient } from "../connection.ts";
import { answerFault, chooseOutputs, inputBytes, SMALL_BYTES } from "../http/answers.ts";
import { orTooLarge } from "./faults.ts";
import { type Asked, type Plan, planOf, readBody, writeBody } from "./plan.ts";
import { bearer } from "./words.ts";

/** What a call over gRPC needs of its server. */
export interface GrpcAsked extends Asked {
  readonly client: GrpcClient;
}

/** See `Connection.infer`. A request for a stream always gets one, of one part where the handler does not stream. */
export async function inferGrpc(asked: GrpcAsked, request: InferRequest, call: Call): Promise<Reply> {
  if (request.task === "explain") {
    throw new InferError("unsupported", "TorchServe has no explanations over gRPC; protocol: http has", {
      origin: "gateway",
    });
  }
  const { client } = asked;
  const plan = await planOf(asked, request, call);
  const message = predictionsRequest.encode({
    model: request.model.name,
    version: plan.version ?? "",
    input: await inputOf(asked, plan),
  });
  if (request.stream) return { kind: "stream", parts: readParts(asked, plan, message) };
  const answer = await client.unary(askOf(asked, "Predictions", call), message, call).catch((error: unknown) => {
    throw orTooLarge(error, message.byteLength);
  });
  const outputs = await readBody(asked, plan, { body: predictionIn(answer), contentType: undefined });
  const chosen = plan.form === "opaque" ? outputs : chooseOutputs(request, outputs);
  return { kind: "whole", model: plan.model, outputs: chosen, parameters: NO_PARAMETERS };
}

function askOf({ words, door }: GrpcAsked, method: string, call: Call | undefined): GrpcAsk {
  return { path: `${SERVICE}/${method}`, headers: { ...bearer(words.token), ...door.headers(call) } };
}

/** What the handler sees as a form: its parts, or one `body`, as it sees any other body over HTTP. */
async function inputOf(asked: GrpcAsked, plan: Plan): Promise<ReadonlyMap<string, Uint8Array>> {
  const { request, call, format } = plan;
  if (format === "multipart") {
    const how = { small: inputBytes(request) <= SMALL_BYTES, signal: call.signal };
    const parts = await asked.door.run(encodeParts(request.inputs), how);
    return new Map(parts.map(({ name, body }) => [name, body]));
  }
  const { parts } = await writeBody(asked, plan);
  const [only, second] = parts;
  const body = only !== undefined && second === undefined ? only : Buffer.concat(parts);
  return new Map([[BODY_NAME, body]]);
}

function predictionIn(message: Uint8Array): Uint8Array {
  try {
    return predictionResponse.decode(message).prediction;
  } catch (error) {
    throw answerFault(error);
  }
}

async function* readParts(asked: GrpcAsked, plan: Plan, message: Uint8Array): AsyncGenerator<InferResponse> {
  const { call, model, specs } = plan;
  const exchange = asked.client.exchange(askOf(asked, "StreamPredictions", call), call);
  const name = specs?.[0]?.name ?? BODY_NAME;
  try {
    await exchange.send(message);
    exchange.half();
    for await (const part of exchange.messages) {
      const outputs = [opaqueTensor(name, predictionIn(part), { contentType: UNKNOWN_TYPE })];
      yield { kind: "whole", model, outputs, parameters: NO_PARAMETERS };
    }
  } catch (error) {
    throw orTooLarge(error, message.byteLength);
  } finally {
    exchange.cancel();
  }
}

/** Asks `Ping`. @throws InferError unavailable when it is not healthy */
export async function healthGrpc(asked: GrpcAsked, signal: AbortSignal): Promise<string> {
  const answer = await asked.client.unary(askOf(asked, "Ping", undefined), new Uint8Array(0), { signal });
  const { health } = healthResponse.decode(answer);
  if (decodeHealth(Buffer.from(health)) === false) {
    throw new InferError("unavailable", "the server says that it is not healthy");
  }
  return "torchserve";
}
