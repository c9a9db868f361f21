// Answers have the shapes of botocore's sagemaker-runtime model and of the containers' sources (multi-model-server, TF Serving's).

import { describe, expect, it } from "vitest";
import { sagemaker, sagemakerServer } from "../../../../backends/sagemaker.ts";
import type { InferRequest } from "../../../../core/request.ts";
import { encodeEvent } from "../../../../wire/sagemaker.ts";
import {
  ask,
  connectKind,
  faultOf,
  kindDoor,
  numbers,
  outputsOf,
  type Play,
  partsOf,
  someCall,
  texts,
} from "../../../support/kind-door.ts";

const tested = { kind: sagemaker, server: sagemakerServer };
const signal = new AbortController().signal;
const x = numbers("x", "FP32", [2, 2], [1, 2.5, 3, 4]);
const variables = { AWS_ACCESS_KEY_ID: "AK", AWS_SECRET_ACCESS_KEY: "SK", AWS_REGION: "eu-central-1" };

function runtime(play: Play, words: object = {}, told: Parameters<typeof kindDoor>[1] = { variables }) {
  const door = kindDoor(play, told);
  const connection = connectKind(tested, words, door);
  const infer = (model: string, inputs = [x], more: Partial<InferRequest> = {}) =>
    connection.infer(ask(model, inputs, more), someCall());
  return { door, connection, infer };
}

describe("SageMaker's runtime", () => {
  it("is asked by signed requests, whose own headers are signed and whose others are not", async () => {
    const words = {
      models: {
        fraud: {
          endpoint: "fraud-prod",
          accept: "application/json",
          targetModel: "m.tar.gz",
          targetVariant: "v",
          targetContainer: "c",
          component: "i",
          customAttributes: "a=1",
        },
      },
    };
    const { door, infer } = runtime(() => ({ body: '{"predictions": [[0.5], [1.0]]}' }), words);
    expect(outputsOf(await infer("fraud"))).toMatchObject([{ name: "output", datatype: "FP32", shape: [2, 1] }]);
    const [asked] = door.asks;
    expect(asked).toMatchObject({
      method: "POST",
      path: "/endpoints/fraud-prod/invocations",
      body: '{"instances":[[1.0,2.5],[3.0,4.0]]}',
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        traceparent: "00-1-2-01",
        "x-amzn-sagemaker-target-model": "m.tar.gz",
        "x-amzn-sagemaker-target-variant": "v",
        "x-amzn-sagemaker-target-container-hostname": "c",
        "x-amzn-sagemaker-inference-component": "i",
        "x-amzn-sagemaker-custom-attributes": "a=1",
        // the fake clock's time
        "x-amz-date": "20231114T221320Z",
      },
    });
    expect(asked?.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AK\/20231114\/eu-central-1\/sagemaker\/aws4_request, SignedHeaders=accept;content-type;host;x-amz-content-sha256;x-amz-date;x-amzn-sagemaker-custom-attributes;x-amzn-sagemaker-inference-component;x-amzn-sagemaker-target-container-hostname;x-amzn-sagemaker-target-model;x-amzn-sagemaker-target-variant, Signature=[0-9a-f]{64}$/,
    );
    expect(asked?.headers).not.toHaveProperty("host");
  });

  it.each([
    [{}, {}, "expected a region in the config, the endpoint's name or AWS_REGION, got none"],
    [{ region: "eu-central-1" }, {}, "expected credentials in the config or AWS_ACCESS_KEY_ID, got none"],
  ])("with %j alone cannot be asked", async (words, variables, message) => {
    const { connection, infer } = runtime(() => ({}), words, { variables });
    expect(await faultOf(infer("m"))).toEqual(["bad-backend", "backend", "elsewhere", message]);
    expect((await faultOf(connection.health(signal)))[3]).toBe(message);
  });

  it.each([
    ["csv", "text/csv", "1,2.5\n3,4\n"],
    ["json-lines", "application/jsonlines", "[1.0,2.5]\n[3.0,4.0]\n"],
    ["inputs", "application/json", '{"inputs":[[1.0,2.5],[3.0,4.0]]}'],
    ["npy", "application/x-npy", expect.stringContaining("'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }")],
  ])("gets %s as %s", async (format, type, body) => {
    const { door, infer } = runtime(() => ({ body: "[1]" }), { models: { m: { format } } });
    await infer("m");
    expect(door.asks[0]).toMatchObject({ body, headers: { "content-type": type } });
  });

  it("gets an opaque payload as it is, whatever the format", async () => {
    const jpeg = { ...texts("image", [1], ["jpeg"]), parameters: new Map([["content_type", "image/jpeg"]]) };
    const { door, infer } = runtime(() => ({ headers: { "content-type": "text/csv" }, body: "0.5\n" }));
    expect(outputsOf(await infer("m", [jpeg]))).toMatchObject([{ shape: [1], datatype: "BYTES" }]);
    expect(door.asks[0]).toMatchObject({ body: "jpeg", headers: { "content-type": "image/jpeg" } });
  });

  it.each([
    ["application/json", '{"predictions": [[0.5], [2]]}'],
    ["application/json; charset=utf-8", '{"outputs": [[0.5], [2]]}'],
    ["application/json", '{"model": "m", "y": [[0.5], [2]]}'],
    ["application/json", "[[0.5], [2]]"],
    ["text/csv; charset=utf-8", "0.5\n2\n"],
    ["application/jsonlines", "[0.5]\n[2]\n"],
    [
      "application/x-npy",
      Buffer.concat([
        Buffer.from("\u0093NUMPY\u0001\0v\0", "latin1"),
        Buffer.from("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }".padEnd(117).concat("\n")),
        Buffer.from(Float64Array.of(0.5, 2).buffer),
      ]),
    ],
  ])("answers %s by the signature: %s", async (type, body) => {
    const signature = { inputs: [], outputs: [{ name: "y", datatype: "FP64" as const, shape: [-1, 1] }] };
    const { infer } = runtime(() => ({ headers: { "content-type": type }, body }), {}, { variables, signature });
    const [y] = outputsOf(await infer("m"));
    expect([y!.name, y!.datatype, y!.shape]).toEqual(["y", "FP64", [2, 1]]);
    expect([...new Float64Array(Uint8Array.from(y!.data).buffer)]).toEqual([0.5, 2]);
  });

  it("streams payload parts where caller and config want it", async () => {
    const body = Buffer.concat([
      encodeEvent({ kind: "part", bytes: Buffer.from("he") }),
      encodeEvent({ kind: "part", bytes: Buffer.from("llo") }),
    ]);
    const headers = {
      "content-type": "application/vnd.amazon.eventstream",
      "x-amzn-sagemaker-content-type": "text/plain",
    };
    const words = { models: { m: { stream: true, accept: "text/plain" } } };
    const { door, infer } = runtime(() => ({ headers, body: [body.subarray(0, 20), body.subarray(20)] }), words);
    const parts = await partsOf(await infer("m", [x], { stream: true }));
    expect(parts.map(({ outputs }) => Buffer.from(outputs[0]!.data).toString("latin1", 4))).toEqual(["he", "llo"]);
    expect(parts[0]?.outputs[0]?.parameters?.get("content_type")).toBe("text/plain");
    expect(door.asks[0]).toMatchObject({
      path: "/endpoints/m/invocations-response-stream",
      headers: { "x-amzn-sagemaker-accept": "text/plain" },
    });
  });

  it.each([
    ["ModelStreamError", "ModelInvocationTimeExceeded", "deadline-exceeded"],
    ["ModelStreamError", "StreamBroken", "bad-backend"],
    ["InternalStreamFailure", "", "bad-backend"],
  ])("ends a stream with %s %s as %s", async (type, code, expected) => {
    const body = [
      encodeEvent({ kind: "part", bytes: Buffer.from("he") }),
      encodeEvent({ kind: "error", type, code, message: "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/m" }),
    ];
    const { infer } = runtime(() => ({ body }), { models: { m: { stream: true } } });
    const fault = await faultOf(partsOf(await infer("m", [x], { stream: true })));
    expect(fault.slice(0, 3)).toEqual([expected, "backend", "no"]);
    expect(fault[3]).not.toContain("123456789012");
  });

  it.each([
    [400, "ValidationError", '{"message":"bad body"}', "invalid-argument", "client", "no", "bad body"],
    [
      400,
      "ValidationError",
      '{"message":"Endpoint m of account 123456789012 not found."}',
      "not-found",
      "client",
      "no",
      "the backend has no such endpoint",
    ],
    [
      424,
      "ModelError",
      '{"OriginalStatusCode":400,"OriginalMessage":"bad row","LogStreamArn":"arn"}',
      "invalid-argument",
      "client",
      "no",
      "bad row",
    ],
    [
      424,
      "ModelError",
      '{"OriginalStatusCode":415,"OriginalMessage":"no csv"}',
      "unsupported",
      "client",
      "no",
      "no csv",
    ],
    [
      424,
      "ModelError",
      '{"OriginalStatusCode":500,"OriginalMessage":"boom"}',
      "bad-backend",
      "backend",
      "no",
      "the model failed with status 500",
    ],
    [424, "ModelError", "", "bad-backend", "backend", "no", "the model failed"],
    [424, "", "", "bad-backend", "backend", "no", "the model failed"],
    [429, "ModelNotReadyException", "{}", "unavailable", "backend", "later", "the model is not ready yet"],
    [
      400,
      "ThrottlingException",
      '{"message":"Rate exceeded"}',
      "overloaded",
      "backend",
      "later",
      "the backend answered with ThrottlingException",
    ],
    [500, "InternalFailure", "{}", "bad-backend", "backend", "elsewhere", "the backend answered with InternalFailure"],
    [
      503,
      "ServiceUnavailable",
      "{}",
      "unavailable",
      "backend",
      "elsewhere",
      "the backend answered with ServiceUnavailable",
    ],
    [
      530,
      "InternalDependencyException",
      "{}",
      "unavailable",
      "backend",
      "elsewhere",
      "the backend answered with InternalDependencyException",
    ],
    [
      403,
      "InvalidSignatureException",
      '{"message":"account 123456789012"}',
      "bad-backend",
      "backend",
      "elsewhere",
      "the backend refused the gateway's credentials (InvalidSignatureException)",
    ],
    [
      403,
      "ExpiredTokenException",
      "{}",
      "bad-backend",
      "backend",
      "elsewhere",
      "the backend refused the gateway's credentials (ExpiredTokenException)",
    ],
    [403, "", "", "bad-backend", "backend", "elsewhere", "the backend refused the gateway's credentials (status 403)"],
    [502, "", "<html>", "unavailable", "backend", "elsewhere", "the backend answered with status 502"],
  ])("answers %i %s %s as %s of the %s, to be tried %s, streams or not", async (status, type, body, ...expected) => {
    const headers = type === "" ? {} : { "x-amzn-errortype": `${type}:http://internal.amazon.com/` };
    const { infer } = runtime(() => ({ status, headers, body }), { models: { m: { stream: true } } });
    expect(await faultOf(infer("m"))).toEqual(expected);
    expect(await faultOf(infer("m", [x], { stream: true }))).toEqual(expected);
  });
});
