// Bodies and streams through SageMaker's front as they came, and the signatures of AWS's own client.

import {
  InvokeEndpointCommand,
  type InvokeEndpointCommandInput,
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from "@aws-sdk/client-sagemaker-runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { InferRequest, InferResponse, Reply } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { opaqueTensor, payloadOf } from "../../../wire/opaque.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";

const KEY = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
const REGION = "eu-central-1";

const clientOf = (port: number, credentials: typeof KEY & { sessionToken?: string } = KEY, region = REGION) =>
  new SageMakerRuntimeClient({ endpoint: `http://127.0.0.1:${port}`, region, credentials, maxAttempts: 1 });

let gateway: TestGateway;
let last: InferRequest | undefined;
let reply: () => Promise<Reply> | Reply;
beforeAll(async () => {
  const fake = fakeBackend();
  const service = async (request: InferRequest) => {
    last = request;
    return reply();
  };
  fake.put("m", "1", { service });
  gateway = await startGateway({
    yaml: `
backends: {f: {kind: fake}}
sagemaker:
  region: ${REGION}
  keys: [{accessKeyId: ${KEY.accessKeyId}, secretAccessKey: ${KEY.secretAccessKey}}, {accessKeyId: ASIA1, secretAccessKey: s, sessionToken: t}]
`,
    kinds: [fake.kind],
  });
});
afterAll(() => gateway.close());

const part = (text: string, contentType = "text/x-words"): InferResponse => ({
  kind: "whole",
  model: { name: "m", version: "1" },
  outputs: [opaqueTensor("body", Buffer.from(text), { contentType })],
  parameters: NO_PARAMETERS,
});
const send = async (client: SageMakerRuntimeClient, init: Partial<InvokeEndpointCommandInput> = {}) => {
  try {
    return await client.send(new InvokeEndpointCommand({ EndpointName: "m", Body: "hello", ...init }));
  } finally {
    client.destroy();
  }
};
const stream = async (client: SageMakerRuntimeClient) =>
  client.send(new InvokeEndpointWithResponseStreamCommand({ EndpointName: "m", Body: "hello" }));

test("a body goes on as it came and comes back as it is", async () => {
  reply = () => part("bonjour");
  const Body = Buffer.from([0, 1, 2, 255]);
  const answer = await send(clientOf(gateway.port), { ContentType: "image/png", Accept: "image/png", Body });
  const [input] = last?.inputs ?? [];
  expect([input?.parameters?.get("content_type"), [...payloadOf(input!)]]).toEqual(["image/png", [0, 1, 2, 255]]);
  expect([answer.ContentType, answer.Body?.transformToString()]).toEqual(["text/x-words", "bonjour"]);
});

test("a stream comes part by part in the SDK's own events", async () => {
  async function* parts() {
    yield part("bon");
    yield part("jour");
  }
  reply = () => ({ kind: "stream", parts: parts() });
  const client = clientOf(gateway.port);
  const answer = await stream(client);
  const texts: string[] = [];
  for await (const { PayloadPart } of answer.Body ?? []) texts.push(Buffer.from(PayloadPart?.Bytes ?? []).toString());
  client.destroy();
  expect([last?.stream, answer.ContentType, texts]).toEqual([true, "text/x-words", ["bon", "jour"]]);
});

test("a fault inside a stream is the SDK's ModelStreamError, one before it has a status", async () => {
  async function* parts() {
    yield part("bon");
    throw new InferError("bad-backend", "the model failed: out of words");
  }
  reply = () => ({ kind: "stream", parts: parts() });
  const client = clientOf(gateway.port);
  const answer = await stream(client);
  const read = async () => {
    for await (const _ of answer.Body ?? []);
  };
  await expect(read()).rejects.toMatchObject({ name: "ModelStreamError", message: "the model failed: out of words" });
  reply = () => Promise.reject(new InferError("bad-backend", "the model failed: no words"));
  await expect(stream(client)).rejects.toMatchObject({ name: "ModelError", OriginalStatusCode: 500 });
  client.destroy();
});

test.each<[string, InferError, Record<string, unknown>]>([
  [
    "a model's fault",
    new InferError("bad-backend", "the model failed"),
    { name: "ModelError", OriginalMessage: "the model failed", $metadata: { httpStatusCode: 424 } },
  ],
  [
    "overload",
    new InferError("overloaded", "full"),
    { name: "ServiceUnavailable", $metadata: { httpStatusCode: 503 } },
  ],
  ["a bug", new InferError("internal", "internal error"), { name: "InternalFailure" }],
])("%s is the SDK's own class", async (_, fault, expected) => {
  reply = () => Promise.reject(fault);
  const said = await send(clientOf(gateway.port)).catch((error: unknown) => error as Record<string, unknown>);
  expect(said).toMatchObject(expected);
  expect((said as { $metadata: { requestId?: string } }).$metadata.requestId).toMatch(/\S/);
});

test.each<[string, () => SageMakerRuntimeClient, RegExp]>([
  ["of another secret", () => clientOf(gateway.port, { ...KEY, secretAccessKey: "x" }), /does not match/],
  ["of an unknown key", () => clientOf(gateway.port, { ...KEY, accessKeyId: "AKID" }), /token .* is invalid/],
  ["for another region", () => clientOf(gateway.port, KEY, "us-east-1"), /scoped to the region eu-central-1/],
  [
    "of a temporary key without its token",
    () => clientOf(gateway.port, { accessKeyId: "ASIA1", secretAccessKey: "s", sessionToken: "u" }),
    /token .* is invalid/,
  ],
  [
    "of another hour",
    () =>
      new SageMakerRuntimeClient({
        endpoint: `http://127.0.0.1:${gateway.port}`,
        region: REGION,
        credentials: KEY,
        maxAttempts: 1,
        systemClockOffset: -3_600_000,
      }),
    /signature expired: it is 36\d\d seconds off/,
  ],
])("a signature %s is refused", async (_, client, message) => {
  await expect(send(client())).rejects.toMatchObject({
    name: "InvalidSignatureException",
    message,
    $metadata: { httpStatusCode: 403 },
  });
});

test("a temporary key with its token is taken", async () => {
  reply = () => part("ok");
  const key = { accessKeyId: "ASIA1", secretAccessKey: "s", sessionToken: "t" };
  expect((await send(clientOf(gateway.port, key))).Body?.transformToString()).toBe("ok");
});

test("an unsigned request, or another body under a good signature, is refused", async () => {
  const path = "/endpoints/m/invocations";
  const unsigned = await gateway.ask({ path, body: "hello" });
  expect([unsigned.status, unsigned.headers["x-amzn-errortype"]]).toEqual([403, "InvalidSignatureException"]);
  const client = clientOf(gateway.port);
  let headers: Record<string, string> = {};
  client.middlewareStack.add(
    (next) => async (args) => {
      headers = (args.request as { headers: Record<string, string> }).headers;
      return next(args);
    },
    { step: "finalizeRequest", priority: "low" },
  );
  reply = () => part("ok");
  await send(client);
  const signed = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== "content-length"));
  const again = await gateway.ask({ path, body: "hello", headers: signed });
  const changed = await gateway.ask({ path, body: "jello", headers: signed });
  expect([again.status, changed.status]).toEqual([200, 403]);
});
