// TorchServe's gRPC service at the front: health, predictions whole and as a stream, with and without a signature.

import { afterAll, beforeAll, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { InferRequest, InferResponse, Reply } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { opaqueTensor, payloadOf } from "../../../wire/opaque.ts";
import { healthResponse, predictionResponse, predictionsRequest, SERVICE } from "../../../wire/torchserve-proto.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { type GrpcCaller, grpcCaller } from "../../support/gateway-grpc.ts";

let gateway: TestGateway;
let caller: GrpcCaller;
let last: InferRequest | undefined;
let reply: () => Promise<Reply> | Reply;

beforeAll(async () => {
  const fake = fakeBackend();
  const service = async (request: InferRequest) => {
    last = request;
    return reply();
  };
  const spec = { name: "x", datatype: "INT32", shape: [-1, 2] } as const;
  fake.put("free", "1.0", { service });
  fake.put("typed", "1", { service, inputs: [spec], outputs: [{ ...spec, name: "y" }] });
  gateway = await startGateway({ yaml: "backends: {f: {kind: fake}}", kinds: [fake.kind] });
  caller = grpcCaller(gateway.grpcPort);
});

afterAll(async () => {
  caller.close();
  await gateway.close();
});

const ask = (method: string, model: string, input: Readonly<Record<string, string>>, version = "") =>
  caller.ask({
    method: `${SERVICE}/${method}`,
    messages: [
      predictionsRequest.encode({
        model,
        version,
        input: new Map(Object.entries(input).map(([name, text]) => [name, Buffer.from(text)])),
        sequenceId: undefined,
      }),
    ],
  });

const textsIn = (messages: readonly Uint8Array[]) =>
  messages.map((message) => Buffer.from(predictionResponse.decode(message).prediction).toString());

const payload = (text: string): InferResponse => ({
  kind: "whole",
  model: { name: "free", version: "1.0" },
  outputs: [opaqueTensor("body", Buffer.from(text), { contentType: "text/plain" })],
  parameters: NO_PARAMETERS,
});

test("Ping answers the text of /ping", async () => {
  const { code, messages } = await caller.ask({ method: `${SERVICE}/Ping`, messages: [new Uint8Array(0)] });
  expect([code, JSON.parse(healthResponse.decode(messages[0]!).health)]).toEqual([0, { status: "Healthy" }]);
});

test("inputs of a model that nobody declares go on as they came", async () => {
  reply = () => payload("tabby");
  const { code, messages } = await ask("Predictions", "free", { data: "\u0000x", more: "y" }, "1.0");
  expect([code, textsIn(messages)]).toEqual([0, ["tabby"]]);
  expect(last?.model).toMatchObject({ name: "free" });
  expect(last?.inputs.map((input) => [input.name, Buffer.from(payloadOf(input)).toString()])).toEqual([
    ["data", "\u0000x"],
    ["more", "y"],
  ]);
});

test.each([
  ["the whole body as data", { data: '{"instances": [[1, 2], [3, 4]]}' }, "[[1,2],[3,4]]"],
  ["the whole body as body", { body: "[[1, 2], [3, 4]]" }, "[[1,2],[3,4]]"],
  ["an input by its name", { x: "[[1, 2], [3, 4]]" }, "[[1,2],[3,4]]"],
])("%s is read by the signature", async (_, input, expected) => {
  const data = Buffer.from(Int32Array.of(1, 2, 3, 4).buffer);
  reply = () => ({
    ...payload(""),
    outputs: [{ name: "y", datatype: "INT32", shape: [2, 2], data }],
  });
  const { messages, details } = await ask("Predictions", "typed", input);
  expect([details, textsIn(messages).map((text) => text.replace(/\s/g, ""))]).toEqual(["", [expected]]);
  expect(last?.inputs.map(({ name, shape }) => [name, shape])).toEqual([["x", [2, 2]]]);
  expect(Buffer.from(last!.inputs[0]!.data)).toEqual(data);
});

test("a stream comes message by message, a whole answer as its only one", async () => {
  async function* parts() {
    yield payload("hel");
    yield payload("lo");
  }
  reply = () => ({ kind: "stream", parts: parts() });
  const streamed = await ask("StreamPredictions", "free", { data: "x" });
  expect([last?.stream, streamed.code, textsIn(streamed.messages)]).toEqual([true, 0, ["hel", "lo"]]);
  reply = () => payload("hello");
  expect(textsIn((await ask("StreamPredictions", "free", { data: "x" })).messages)).toEqual(["hello"]);
});

test.each<[string, string, Readonly<Record<string, string>>, number, RegExp]>([
  ["an unknown model", "nope", { data: "x" }, 5, /"nope" is not known/],
  ["a body that is no JSON", "typed", { data: "{" }, 3, /malformed JSON/],
  ["a body that the model cannot take", "typed", { data: "\u00ff\u00d8" }, 12, /declares one input of BYTES \[1\]/],
  ["an input that the model does not have", "typed", { z: "[1]" }, 3, /expected one of "x"/],
])("%s is a mistake of the caller's", async (_, model, input, code, details) => {
  const answer = await ask("Predictions", model, input);
  expect([answer.code, answer.trailers["sluice-error-origin"]]).toEqual([code, "client"]);
  expect(answer.details).toMatch(details);
});

test("a fault in mid-stream ends it with its status", async () => {
  async function* parts() {
    yield payload("hel");
    throw new InferError("unavailable", "the worker died");
  }
  reply = () => ({ kind: "stream", parts: parts() });
  const { code, details, messages } = await ask("StreamPredictions", "free", { data: "x" });
  expect([code, details, textsIn(messages)]).toEqual([14, "the worker died", ["hel"]]);
});
