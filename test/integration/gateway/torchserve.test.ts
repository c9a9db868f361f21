// TorchServe at the front: bodies of every kind to models with and without a signature, its errors, health and management.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backendKinds } from "../../../backends/registry.ts";
import { InferError } from "../../../core/error.ts";
import type { InferRequest, InferResponse, Reply } from "../../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../../core/tensor.ts";
import { opaqueTensor, payloadOf } from "../../../wire/opaque.ts";
import type { TestGateway } from "../../support/gateway.ts";
import { startGateway } from "../../support/gateway.ts";
import { startDemo } from "../../support/gateway-demo.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import type { Ask } from "../../support/http-client.ts";

const JSON_BODY = { "content-type": "application/json" };
const ROW = Array.from({ length: 16 }, (_, i) => i);
const ONES = Array.from({ length: 16 }, () => 1);

describe("models that have a signature", () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startDemo();
  });
  afterAll(() => gateway.close());

  const sums = ROW.map((value) => value + 1);
  const differences = ROW.map((value) => value - 1);
  const NAMED = [{ OUTPUT0: sums, OUTPUT1: differences }];

  test.each<[string, Omit<Ask, "port" | "path">]>([
    ["instances", { headers: JSON_BODY, body: JSON.stringify({ instances: [{ INPUT0: ROW, INPUT1: ONES }] }) }],
    ["a list of rows", { headers: JSON_BODY, body: JSON.stringify([{ INPUT0: ROW, INPUT1: ONES }]) }],
    ["JSON without a type, as curl -T sends", { body: JSON.stringify({ instances: [{ INPUT0: ROW, INPUT1: ONES }] }) }],
    [
      "JSON that curl -d calls a form",
      {
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: JSON.stringify({ instances: [{ INPUT0: ROW, INPUT1: ONES }] }),
      },
    ],
  ])("%s", async (_, what) => {
    const answer = await gateway.ask({ path: "/predictions/add_sub", ...what });
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, "application/json"]);
    const told = answer.json<unknown>();
    if (`${what.body}`.startsWith("[")) expect(told).toEqual({ OUTPUT0: [sums], OUTPUT1: [differences] });
    else expect(told).toEqual(NAMED);
  });

  const columns = { OUTPUT0: [sums], OUTPUT1: [differences] };
  const form = new URLSearchParams({ INPUT0: JSON.stringify([ROW]), INPUT1: JSON.stringify([ONES]) }).toString();
  const part = (name: string, value: unknown) =>
    `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${JSON.stringify(value)}\r\n`;

  test.each<[string, Omit<Ask, "port">]>([
    [
      "an object of inputs",
      { path: "/predictions/add_sub", headers: JSON_BODY, body: JSON.stringify({ INPUT0: [ROW], INPUT1: [ONES] }) },
    ],
    [
      "a form",
      {
        path: "/predictions/add_sub/1",
        headers: { "content-type": "multipart/form-data; boundary=b" },
        body: `${part("INPUT0", [ROW])}${part("INPUT1", [ONES])}--b--\r\n`,
      },
    ],
    [
      "a form in the URL's encoding",
      {
        path: "/predictions/add_sub",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: form,
      },
    ],
    ["a query", { path: `/predictions/add_sub?${form}`, method: "GET" }],
  ])("%s is answered with an object of outputs", async (_, what) => {
    const answer = await gateway.ask(what);
    expect([answer.status, answer.json<unknown>()]).toEqual([200, columns]);
  });

  test("KServe's V2 in TorchServe's paths is answered as V2", async () => {
    const inputs = ["INPUT0", "INPUT1"].map((name) => ({ name, shape: [1, 16], datatype: "INT32", data: ROW }));
    const answer = await gateway.ask({
      path: "/predictions/add_sub",
      headers: JSON_BODY,
      body: JSON.stringify({ inputs }),
    });
    expect(answer.json<{ outputs: unknown }>().outputs).toEqual([
      { name: "OUTPUT0", datatype: "INT32", shape: [1, 16], data: ROW.map((value) => 2 * value) },
      { name: "OUTPUT1", datatype: "INT32", shape: [1, 16], data: ROW.map(() => 0) },
    ]);
  });

  test("a payload that the model's inputs cannot be read from is refused, saying what to declare", async () => {
    const answer = await gateway.ask({
      path: "/predictions/add_sub",
      headers: { "content-type": "image/jpeg" },
      body: Buffer.from([0xff, 0xd8, 0xff]),
    });
    expect([answer.status, answer.json()]).toEqual([
      400,
      {
        code: 400,
        type: "BadRequestException",
        message:
          'model "add_sub" takes INPUT0 INT32[-1,16], INPUT1 INT32[-1,16]: expected JSON, CSV, JSON Lines, a form or a NumPy array, got image/jpeg; a model that takes such a payload declares one input of BYTES [1]',
      },
    ]);
  });

  test("a text is the payload of a model that takes one", async () => {
    const answer = await gateway.ask({
      path: "/predictions/language",
      headers: { "content-type": "text/plain" },
      body: "the cat sat on the mat and looked at the moon",
    });
    expect(answer.json<{ label: string[] }>().label).toEqual(["en"]);
  });

  test.each([
    ["/predictions/nope", 404, "ModelNotFoundException", "Model not found: nope"],
    [
      "/predictions/add_sub/9",
      404,
      "ModelVersionNotFoundException",
      "Model version: 9 does not exist for model: add_sub",
    ],
    ["/models/nope", 404, "ModelNotFoundException", "Model not found: nope"],
    ["/predictions", 404, "ResourceNotFoundException", "no such path: /predictions"],
  ])("%s has TorchServe's error", async (path, code, type, message) => {
    const answer = await gateway.ask({ path, method: "GET" });
    expect([answer.status, answer.json()]).toEqual([code, { code, type, message }]);
    expect(answer.body.toString().endsWith("}\n")).toBe(true);
  });

  test("a method that a path does not take is TorchServe's 405", async () => {
    const answer = await gateway.ask({ path: "/models", method: "DELETE" });
    expect([answer.status, answer.json()]).toEqual([
      405,
      { code: 405, type: "MethodNotAllowedException", message: "/models takes GET, HEAD, POST, got DELETE" },
    ]);
  });

  test("health and every answer have TorchServe's headers", async () => {
    const answer = await gateway.ask({ path: "/ping", headers: { "x-request-id": "7" } });
    expect([answer.status, answer.json()]).toEqual([200, { status: "Healthy" }]);
    expect(answer.headers).toMatchObject({
      pragma: "no-cache",
      "cache-control": "no-cache; no-store, must-revalidate, private",
      expires: "Thu, 01 Jan 1970 00:00:00 UTC",
      "x-request-id": "7",
    });
  });

  test("models are listed by pages and described", async () => {
    const names: string[] = [];
    let token: string | undefined = "";
    for (let pages = 0; token !== undefined && pages < 5; pages++) {
      const page = await gateway.ask({ path: `/models?limit=3&next_page_token=${token}` });
      const told = page.json<{ nextPageToken?: string; models: { modelName: string }[] }>();
      names.push(...told.models.map(({ modelName }) => modelName));
      token = told.nextPageToken;
    }
    expect(names).toEqual(["add_sub", "digits", "iris", "language"]);
    const all = await gateway.ask({ path: "/models/digits/all" });
    expect(all.json<unknown>()).toMatchObject([
      { modelName: "digits", modelVersion: "1", workers: [{ status: "READY" }] },
      { modelName: "digits", modelVersion: "2", workers: [{ status: "READY" }] },
    ]);
    const usual = await gateway.ask({ path: "/models/digits" });
    expect(usual.json<unknown>()).toMatchObject([{ modelVersion: "2" }]);
  });

  test.each([
    ["PUT", "/models/digits/1/set-default"],
    ["PUT", "/models/digits?min_worker=4"],
    ["DELETE", "/models/digits/1"],
    ["DELETE", "/models/digits"],
    ["PUT", "/models/digits?min_worker=0"],
    ["POST", "/models?url=digits.mar"],
  ])("%s %s is refused as where the model API is not enabled", async (method, path) => {
    const answer = await gateway.ask({ method, path });
    expect([answer.status, answer.json()]).toMatchObject([405, { type: "MethodNotAllowedException" }]);
  });
});

test("a model is unloaded and registered again where the config lets clients do so", async () => {
  const gateway = await startGateway({
    yaml: "triton: {control: true}\nbackends: {local: {kind: onnx, repository: ./models}}",
    kinds: backendKinds,
  });
  const row = { path: "/predictions/iris", headers: JSON_BODY, body: "[[5.1, 3.5, 1.4, 0.2]]" };
  const statuses = [(await gateway.ask(row)).status];
  statuses.push((await gateway.ask({ path: "/models/iris", method: "DELETE" })).status);
  statuses.push((await gateway.ask(row)).status);
  const again = await gateway.ask({ path: "/models?url=iris.mar", method: "POST" });
  statuses.push(again.status, (await gateway.ask(row)).status);
  await gateway.close();
  expect([statuses[0], statuses[1], statuses[3], statuses[4]]).toEqual([200, 200, 200, 200]);
  expect([404, 503]).toContain(statuses[2]);
  expect(again.json<unknown>()).toEqual({ status: 'Model "iris" registered' });
});

describe("models that nobody declares", () => {
  let gateway: TestGateway;
  let last: InferRequest | undefined;
  let reply: () => Promise<Reply> | Reply;
  beforeAll(async () => {
    const fake = fakeBackend();
    fake.put("resnet", "1.0", {
      service: async (request) => {
        last = request;
        return reply();
      },
    });
    gateway = await startGateway({ yaml: "backends: {f: {kind: fake}}", kinds: [fake.kind] });
  });
  afterAll(() => gateway.close());

  const whole = (...outputs: Tensor[]): InferResponse => ({
    kind: "whole",
    model: { name: "resnet", version: "1.0" },
    outputs,
    parameters: NO_PARAMETERS,
  });
  const seen = () => {
    const [input] = last?.inputs ?? [];
    return [
      last?.task,
      last?.inputs.length,
      input?.parameters?.get("content_type"),
      input === undefined ? undefined : Buffer.from(payloadOf(input)).toString("latin1"),
    ];
  };

  test.each<[string, Omit<Ask, "port">, unknown]>([
    [
      "a picture",
      { path: "/predictions/resnet/1.0", headers: { "content-type": "image/jpeg" }, body: Buffer.from([0xff, 0, 1]) },
      ["infer", 1, "image/jpeg", "\u00ff\u0000\u0001"],
    ],
    [
      "a form",
      {
        path: "/explanations/resnet",
        headers: { "content-type": "multipart/form-data; boundary=b" },
        body: "--b\r\nanything\r\n--b--\r\n",
      },
      ["explain", 1, "multipart/form-data; boundary=b", "--b\r\nanything\r\n--b--\r\n"],
    ],
    [
      "a query",
      { path: "/predictions/resnet?data=a%20b", method: "GET" },
      ["infer", 1, "application/x-www-form-urlencoded", "data=a+b"],
    ],
  ])("%s goes on as it came, and the answer comes back as it is", async (_, what, expected) => {
    reply = () => whole(opaqueTensor("body", Buffer.from("tabby"), { contentType: "text/plain" }));
    const answer = await gateway.ask(what);
    expect(seen()).toEqual(expected);
    expect([answer.status, answer.headers["content-type"], answer.body.toString()]).toEqual([
      200,
      "text/plain",
      "tabby",
    ]);
  });

  test("an answer of no known type says none, as TorchServe's handlers", async () => {
    reply = () => whole(opaqueTensor("body", Buffer.from([1, 2]), { contentType: "application/octet-stream" }));
    const answer = await gateway.ask({ path: "/predictions/resnet", body: "x" });
    expect([answer.headers["content-type"], [...answer.body]]).toEqual([undefined, [1, 2]]);
  });

  test("a stream comes part by part, and says so", async () => {
    async function* parts() {
      for (const word of ["hel", "lo"]) {
        yield whole(opaqueTensor("body", Buffer.from(word), { contentType: "text/plain" }));
      }
    }
    reply = () => ({ kind: "stream", parts: parts() });
    const answer = await gateway.ask({ path: "/predictions/resnet", body: "x" });
    expect(last?.stream).toBe(true);
    expect([answer.headers.ts_stream_next, answer.headers["transfer-encoding"]]).toEqual(["true", "chunked"]);
    expect(answer.body.toString()).toBe("hello");
  });

  test("a fault of the model is TorchServe's 503, told apart from overload by its class", async () => {
    const ask = { path: "/predictions/resnet", body: "x" };
    reply = () => Promise.reject(new InferError("bad-backend", "the model failed: prediction failed"));
    expect((await gateway.ask(ask)).json()).toMatchObject({ code: 503, type: "InternalServerException" });
    reply = () => Promise.reject(new InferError("overloaded", "the queue is full", { retryAfterMs: 1_500 }));
    const full = await gateway.ask(ask);
    expect([full.headers["retry-after"], full.json()]).toEqual([
      "2",
      { code: 503, type: "ServiceUnavailableException", message: "the queue is full" },
    ]);
  });
});
