// SageMaker at the front, asked by AWS's own client: bodies of every kind, streams of frames, errors, signatures.

import {
  InvokeEndpointAsyncCommand,
  InvokeEndpointCommand,
  type InvokeEndpointCommandInput,
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from "@aws-sdk/client-sagemaker-runtime";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backendKinds } from "../../../backends/registry.ts";
import { InferError } from "../../../core/error.ts";
import type { InferRequest, InferResponse, Reply } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { decodeNpy, encodeNpy } from "../../../wire/npy.ts";
import { opaqueTensor, payloadOf } from "../../../wire/opaque.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";

const KEY = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
const REGION = "eu-central-1";

const clientOf = (port: number, credentials: typeof KEY & { sessionToken?: string } = KEY, region = REGION) =>
  new SageMakerRuntimeClient({ endpoint: `http://127.0.0.1:${port}`, region, credentials, maxAttempts: 1 });

const iris = [5.1, 3.5, 1.4, 0.2];

describe("models that have a signature", () => {
  let gateway: TestGateway;
  let client: SageMakerRuntimeClient;
  beforeAll(async () => {
    gateway = await startGateway({
      yaml: `
backends: {local: {kind: onnx, repository: ./models}}
sagemaker: {invocations: flowers}
models:
  flowers: {backend: local, model: iris, endpoint: iris-prod}
  add_sub: {backend: local}
  digits: {backend: local, labels: {stable: 1}}
`,
      kinds: backendKinds,
    });
    client = clientOf(gateway.port);
  });
  afterAll(async () => {
    client.destroy();
    await gateway.close();
  });

  const invoke = async (init: Partial<InvokeEndpointCommandInput>) => {
    const answer = await client.send(new InvokeEndpointCommand({ EndpointName: "iris-prod", Body: "", ...init }));
    return { ...answer, text: answer.Body?.transformToString() ?? "" };
  };

  test.each([
    ["instances", "application/json", JSON.stringify({ instances: [iris, iris] }), "application/json"],
    ["CSV", "text/csv", `${iris.join(",")}\n${iris.join(",")}\n`, "text/csv"],
    [
      "JSON Lines",
      "application/jsonlines",
      `${JSON.stringify(iris)}\n${JSON.stringify(iris)}\n`,
      "application/jsonlines",
    ],
  ])("%s are answered in their own form", async (_, ContentType, Body, type) => {
    const answer = await invoke({ ContentType, Body });
    expect([answer.ContentType, answer.InvokedProductionVariant]).toEqual([type, "1"]);
    if (type === "application/json") {
      expect(JSON.parse(answer.text)).toEqual({
        predictions: [expect.objectContaining({ label: 0 }), expect.objectContaining({ label: 0 })],
      });
    } else expect(answer.text.trim().split("\n")).toHaveLength(2);
  });

  test("an array of NumPy is read, and Accept says how the answer looks", async () => {
    const data = Buffer.alloc(16);
    iris.forEach((value, i) => void data.writeFloatLE(value, 4 * i));
    const Body = Buffer.concat(encodeNpy({ datatype: "FP32", shape: [1, 4], data }));
    const json = await invoke({ ContentType: "application/x-npy", Body, Accept: "application/json" });
    expect([json.ContentType, Object.keys(JSON.parse(json.text))]).toEqual(["application/json", ["predictions"]]);
    const digits = Buffer.concat(encodeNpy({ datatype: "FP32", shape: [1, 1, 8, 8], data: Buffer.alloc(256) }));
    const wrong = invoke({
      EndpointName: "digits",
      ContentType: "application/x-npy",
      Accept: "application/x-npy",
      Body: digits,
    });
    await expect(wrong).rejects.toMatchObject({
      name: "ValidationError",
      message: /carries one output, and there are 2/,
    });
  });

  test("a variant is a version or a label", async () => {
    const ask = { EndpointName: "digits", ContentType: "application/json" };
    const Body = JSON.stringify({ instances: [[new Array(8).fill(new Array(8).fill(0))]] });
    const variants = ["1", "2", "stable", "AllTraffic"];
    const answered = [];
    for (const TargetVariant of variants) {
      answered.push((await invoke({ ...ask, Body, TargetVariant })).InvokedProductionVariant);
    }
    expect(answered).toEqual(["1", "2", "1", "2"]);
  });

  test("hyphens stand for what an endpoint's name cannot have, and a target names the model itself", async () => {
    const Body = JSON.stringify({ instances: [{ INPUT0: new Array(16).fill(1), INPUT1: new Array(16).fill(2) }] });
    const byName = await invoke({ EndpointName: "add-sub", Body });
    const byTarget = await invoke({ EndpointName: "fleet", TargetModel: "add_sub.tar.gz", Body });
    expect(JSON.parse(byName.text).predictions[0].OUTPUT0).toEqual(new Array(16).fill(3));
    expect(byTarget.text).toBe(byName.text);
  });

  test.each<[string, Partial<InvokeEndpointCommandInput>, RegExp]>([
    ["an unknown endpoint", { EndpointName: "nope" }, /endpoint "nope" is not found/],
    ["an unknown target", { TargetModel: "x.tar.gz" }, /target model "x.tar.gz" is not known/],
    ["an unknown variant", { TargetVariant: "7" }, /version 7 is not known/],
    ["a session", { SessionId: "NEW_SESSION" }, /no stateful sessions/],
    ["a body that is no JSON", { Body: "{", ContentType: "application/json" }, /malformed JSON/],
    ["a form that nobody writes", { Accept: "image/png" }, /Accept: expected application\/json/],
  ])("%s is a ValidationError of the SDK", async (_, init, message) => {
    const asked = invoke({ ContentType: "text/csv", Body: "1,2,3,4", ...init });
    await expect(asked).rejects.toMatchObject({ name: "ValidationError", message, $metadata: { httpStatusCode: 400 } });
  });

  test("asynchronous inference is refused, saying why", async () => {
    const asked = client.send(new InvokeEndpointAsyncCommand({ EndpointName: "iris-prod", InputLocation: "s3://b/k" }));
    await expect(asked).rejects.toMatchObject({ name: "ValidationError", message: /S3/ });
  });

  test("a whole answer comes on the stream path as frames", async () => {
    const Body = JSON.stringify({ instances: [iris] });
    const whole = await invoke({ Body });
    const answer = await client.send(
      new InvokeEndpointWithResponseStreamCommand({ EndpointName: "iris-prod", Body, Accept: "application/json" }),
    );
    const pieces: Uint8Array[] = [];
    for await (const event of answer.Body ?? []) if (event.PayloadPart?.Bytes) pieces.push(event.PayloadPart.Bytes);
    expect(answer.ContentType).toBe("application/json");
    expect(Buffer.concat(pieces).toString()).toBe(whole.text);
  });

  test("a container's paths take the same bodies, with its errors", async () => {
    const ping = await gateway.ask({ path: "/ping" });
    expect(ping.status).toBe(200);
    const body = `${iris.join(",")}\n`;
    const csv = { headers: { "content-type": "text/csv" }, body };
    const whole = await invoke({ ContentType: "text/csv", Body: body });
    for (const path of ["/invocations", "/invocations?model_name=flowers", "/models/flowers/invoke"]) {
      const answer = await gateway.ask({ path, ...csv });
      expect([path, answer.status, answer.headers["content-type"], answer.body.toString()]).toEqual([
        path,
        200,
        "text/csv",
        whole.text,
      ]);
    }
    const unknown = await gateway.ask({ path: "/models/nope/invoke", ...csv });
    expect([unknown.status, unknown.json()]).toEqual([
      404,
      { code: 404, type: "ModelNotFoundException", message: "Model not found: nope" },
    ]);
  });

  test("an array of NumPy comes back where one output is", async () => {
    const fake = fakeBackend();
    const data = Buffer.from([1, 0, 0, 0, 2, 0, 0, 0]);
    fake.put("m", "1", {
      inputs: [{ name: "x", datatype: "INT32", shape: [-1] }],
      outputs: [{ name: "y", datatype: "INT32", shape: [-1] }],
      service: async (request): Promise<Reply> => ({
        kind: "whole",
        model: { name: "m", version: "1" },
        outputs: [{ ...request.inputs[0]!, name: "y" }],
        parameters: NO_PARAMETERS,
      }),
    });
    const own = await startGateway({ yaml: "backends: {f: {kind: fake}}", kinds: [fake.kind] });
    const body = Buffer.concat(encodeNpy({ datatype: "INT32", shape: [2], data }));
    const answer = await own.ask({
      path: "/invocations",
      headers: { "content-type": "application/x-npy", accept: "application/x-npy" },
      body,
    });
    await own.close();
    expect(decodeNpy(answer.body)).toMatchObject({ datatype: "INT32", shape: [2] });
    expect(Buffer.from(decodeNpy(answer.body).data)).toEqual(data);
  });
});

describe("models that nobody declares, and signatures", () => {
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
});
