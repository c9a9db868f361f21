// TorchServe over gRPC: its health, predictions, and predictions whose answers come as a stream.

import type { Call } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { Planes, Protocol, Route, WireReply, WireRequest } from "../../core/protocol.ts";
import type { InferResponse, InferStream, Reply } from "../../core/request.ts";
import { NO_PARAMETERS } from "../../core/tensor.ts";
import { UNKNOWN_TYPE } from "../../wire/opaque.ts";
import { BODY_NAME } from "../../wire/torchserve.ts";
import { encodeHealth } from "../../wire/torchserve-documents.ts";
import { healthResponse, predictionResponse, predictionsRequest, SERVICE } from "../../wire/torchserve-proto.ts";
import { collected } from "./collected.ts";
import { type Decoded, exchange } from "./exchange.ts";
import { DESCRIPTORS } from "./grpc-descriptors/torchserve.ts";
import { grpcFail, grpcReply, messageOf, OK } from "./grpc-status.ts";
import { NAME as KIND, modelOf, writePrediction } from "./torchserve/predict.ts";
import { type BodyForm, declaredOf, type ReadBody, type Reading, readForm, readTypedBody } from "./typed-body.ts";

const NAME = "torchserve-grpc";

const route = (method: string, handle: Route["handle"]): Route => ({
  method: "POST",
  path: `${SERVICE}/${method}`,
  handle,
});

export const torchserveGrpc: Protocol = {
  name: NAME,
  listener: "grpc",
  prefixes: [SERVICE],
  descriptors: DESCRIPTORS,
  fail: (error) => grpcFail(error),
  routes: [
    route("Ping", ping),
    route("Predictions", predicting({ stream: false })),
    route("StreamPredictions", predicting({ stream: true })),
    { ...route("StreamPredictions2", refuseStreams), body: "stream" },
  ],
};

/** The JSON of `GET /ping` as a text. */
async function ping(_wire: WireRequest, { data }: Planes): Promise<WireReply> {
  const health = JSON.stringify(encodeHealth(data.live() && data.serverReady()));
  return grpcReply(healthResponse.encode({ health }));
}

async function refuseStreams(): Promise<WireReply> {
  return grpcFail(new InferError("unsupported", "StreamPredictions2 is not supported: ask with StreamPredictions"));
}

function predicting({ stream }: { readonly stream: boolean }): Route["handle"] {
  return (wire, planes) =>
    exchange(wire, planes, {
      protocol: NAME,
      decode: (asked, at) => decode(asked, at, stream),
      encode: (reply, form, at) => (stream ? encodeStream(reply, form, at) : encodeOne(reply, form, at)),
      fail: (error) => grpcFail(error),
    });
}

/** The names under which handlers look for the only input. Source: TorchServe's own handlers, `data` before `body`. */
const WHOLE = ["data", BODY_NAME];

async function decode(wire: WireRequest, planes: Planes, stream: boolean): Promise<Decoded<BodyForm>> {
  const { model: name, version, input } = predictionsRequest.decode(messageOf(wire));
  const model = modelOf({ params: { model: name, ...(version === "" ? {} : { version }) } });
  const declared = await declaredOf(model, { wire, planes, ownKind: KIND });
  const { inputs, form, opaque } = await read(input, { declared, wire, planes });
  const isStream = stream && (opaque || declared?.decoupled !== false);
  return {
    request: { model, task: "infer", inputs, parameters: NO_PARAMETERS, stream: isStream },
    hints: { sluice: NO_PARAMETERS },
    form,
  };
}

function read(input: ReadonlyMap<string, Uint8Array>, reading: Reading): Promise<ReadBody> {
  const [first, second] = input;
  const isWhole = (key: string) => WHOLE.includes(key) && !reading.declared?.inputs.some(({ name }) => name === key);
  if (reading.declared !== undefined && first !== undefined && second === undefined && isWhole(first[0])) {
    return readTypedBody({ body: first[1], contentType: undefined }, reading);
  }
  return readForm(
    [...input].map(([name, body]) => ({ name, body, contentType: UNKNOWN_TYPE })),
    reading,
  );
}

interface At {
  readonly call: Call;
  readonly planes: Planes;
}

async function encodeOne(reply: Reply, form: BodyForm, at: At): Promise<WireReply> {
  const whole = await collected(reply, { ...at, instead: "StreamPredictions carries it" });
  return grpcReply(await message(whole, form, at));
}

async function encodeStream(reply: Reply, form: BodyForm, at: At): Promise<WireReply> {
  if (reply.kind === "whole") return { status: OK, headers: {}, body: await message(reply, form, at) };
  return { status: OK, headers: {}, body: messages(reply, form, at) };
}

async function* messages({ parts }: InferStream, form: BodyForm, at: At): AsyncGenerator<Uint8Array> {
  for await (const part of parts) yield await message(part, form, at);
}

async function message(response: InferResponse, form: BodyForm, at: At): Promise<Uint8Array> {
  const { parts } = await writePrediction(response, form, at);
  const [only, second] = parts;
  const prediction = only !== undefined && second === undefined ? only : Buffer.concat(parts);
  return predictionResponse.encode({ prediction, sequenceId: undefined, status: undefined });
}
