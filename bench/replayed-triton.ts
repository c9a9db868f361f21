// A stub of Triton's model `echo` for large tensors: what Triton was recorded to say of itself, with ready answers of any size.

import type { InferResponse } from "../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../core/tensor.ts";
import { EXTERNAL_ROWS } from "../test/contract/external-rows.ts";
import { encodeResponse } from "../wire/oip-proto.ts";
import { encodeModelMetadata } from "../wire/oip-proto-service.ts";
import { runNow } from "../wire/sliced.ts";
import type { FrontPorts } from "./front.ts";
import { CLIENT_CORE, type Starter } from "./programs.ts";
import { stubOf } from "./replays.ts";
import type { ReadyAnswer, StubPort } from "./upstream-stub.ts";

export interface Echoed {
  readonly model: string;
  readonly inputs: readonly Tensor[];
}

/** Starts it, over HTTP and over gRPC. */
export async function replayedPorts(start: Starter, echoed: Echoed): Promise<FrontPorts> {
  const stubs = EXTERNAL_ROWS.filter(({ kind }) => kind === "triton").map(stubOf);
  const input = stubs.map((stub) => (stub.over === "http" ? echoHttp(stub, echoed) : echoGrpc(stub, echoed)));
  const program = await start("programs/stub.ts", { core: CLIENT_CORE, input });
  const ports = await program.ask<readonly number[]>("ports");
  const portOf = (over: StubPort["over"]) => ports[stubs.findIndex((stub) => stub.over === over)] ?? 0;
  return { http: portOf("http"), grpc: portOf("grpc") };
}

function echoHttp(stub: StubPort, { model, inputs }: Echoed): StubPort {
  const outputs = inputs.map(({ name, datatype, shape, data }) => ({
    ...{ name, datatype, shape },
    parameters: { binary_data_size: data.byteLength },
  }));
  const json = Buffer.from(JSON.stringify({ model_name: model, model_version: "1", outputs }));
  const length = inputs.reduce((sum, { data }) => sum + data.byteLength, json.byteLength);
  // as the recorded answers have them
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nInference-Header-Content-Length: ${json.byteLength}\r\nContent-Length: ${length}\r\n\r\n`;
  const usual = Buffer.concat([Buffer.from(head), json, ...inputs.map(({ data }) => data)]);
  return { ...stub, asks: `^POST /v2/models/${model}(/versions/1)?/infer$`, usual };
}

const METADATA = "/inference.GRPCInferenceService/ModelMetadata";

function echoGrpc(stub: StubPort, { model, inputs }: Echoed): StubPort {
  const specs = inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: shape.map(() => -1) }));
  const signature = { inputs: specs, outputs: specs, platform: "python", stateful: false };
  const told = { name: model, version: "1", versions: ["1"], ...signature };
  const metadata: ReadyAnswer = { asked: METADATA, bytes: encodeModelMetadata(told) };
  const answered: InferResponse = {
    kind: "whole",
    model: { name: model, version: "1" },
    outputs: inputs,
    parameters: NO_PARAMETERS,
  };
  const usual = runNow(encodeResponse(answered, { id: "", contents: "raw" }));
  return { ...stub, answers: [metadata, ...stub.answers.filter(({ asked }) => asked !== METADATA)], usual };
}
