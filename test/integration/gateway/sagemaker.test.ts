// SageMaker at the front, asked by AWS's own client: bodies of every kind, errors, and the paths of a container.

import {
  InvokeEndpointAsyncCommand,
  InvokeEndpointCommand,
  type InvokeEndpointCommandInput,
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from "@aws-sdk/client-sagemaker-runtime";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backendKinds } from "../../../backends/registry.ts";
import type { Reply } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { decodeNpy, encodeNpy } from "../../../wire/npy.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";

const clientOf = (port: number) =>
  new SageMakerRuntimeClient({
    endpoint: `http://127.0.0.1:${port}`,
    region: "eu-central-1",
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
    maxAttempts: 1,
  });

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
