// A gateway in front of a gateway, with SageMaker's runtime API between them: what one signs the other verifies, bodies pass unchanged.

import { request } from "node:http";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { sagemaker } from "../../../backends/sagemaker.ts";
import type { Call } from "../../../core/call.ts";
import type { InferRequest, InferResponse, Reply } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { opaqueTensor, payloadOf } from "../../../wire/opaque.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";

let inner: TestGateway;
let outer: TestGateway;
let stranger: TestGateway;
let last: { readonly request: InferRequest; readonly call: Call } | undefined;
let reply: (call: Call) => Promise<Reply> | Reply;

const outerYaml = (port: number, secret: string) => `
backends:
  aws:
    kind: sagemaker
    endpoints: ["127.0.0.1:${port}"]
    region: eu-central-1
    credentials: {accessKeyId: AKID, secretAccessKey: ${secret}}
    models: {m: {stream: true}}
models: {m: {backend: aws}}
`;

beforeAll(async () => {
  const fake = fakeBackend();
  fake.put("m", "1", {
    service: async (asked, call) => {
      last = { request: asked, call };
      return reply(call);
    },
  });
  inner = await startGateway({
    yaml: "backends: {f: {kind: fake}}\nsagemaker: {region: eu-central-1, keys: [{accessKeyId: AKID, secretAccessKey: s3cret}]}",
    kinds: [fake.kind],
  });
  outer = await startGateway({ yaml: outerYaml(inner.port, "s3cret"), kinds: [sagemaker] });
  stranger = await startGateway({ yaml: outerYaml(inner.port, "another"), kinds: [sagemaker] });
  // the first look at the server is still on its way
  for (const gateway of [outer, stranger]) {
    await vi.waitFor(async () => expect((await gateway.ask({ path: "/v2/models/m/ready" })).status).toBe(200));
  }
});

afterAll(async () => {
  await Promise.all([outer.close(), stranger.close()]);
  await inner.close();
});

const part = (bytes: Uint8Array, contentType = "image/png"): InferResponse => ({
  kind: "whole",
  model: { name: "m", version: "1" },
  outputs: [opaqueTensor("body", bytes, { contentType })],
  parameters: NO_PARAMETERS,
});

const BYTES = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 256));

test("a body passes both gateways byte for byte, and so does its answer", async () => {
  reply = () => part(BYTES);
  const headers = { "content-type": "image/jpeg" };
  const answer = await outer.ask({ path: "/endpoints/m/invocations", headers, body: BYTES });
  expect([answer.status, answer.headers["content-type"], BYTES.equals(answer.body)]).toEqual([200, "image/png", true]);
  const [input] = last?.request.inputs ?? [];
  expect(input?.parameters?.get("content_type")).toBe("image/jpeg");
  expect(BYTES.equals(Buffer.from(payloadOf(input!)))).toBe(true);
});

test("what another key signed is refused, and the caller hears nothing of keys", async () => {
  const answer = await stranger.ask({ path: "/endpoints/m/invocations", body: "x" });
  expect(answer.status).toBeGreaterThanOrEqual(424);
  expect(answer.headers["sluice-error-origin"]).toBe("backend");
  expect(`${answer.body}`).not.toMatch(/AKID|another|127\.0\.0\.1/);
});

test.each([
  ["/endpoints/m/invocations-response-stream", "x-amzn-sagemaker-content-type"],
  ["/predictions/m", "ts_stream_next"],
])("a client of %s that leaves frees the model behind both gateways", async (path, header) => {
  let aborted: Promise<unknown> | undefined;
  reply = (call) => {
    aborted = new Promise((resolve) => call.signal.addEventListener("abort", resolve, { once: true }));
    async function* parts() {
      for (;;) {
        yield part(Buffer.from("more "));
        await new Promise((resolve) => setImmediate(resolve));
        if (call.signal.aborted) return;
      }
    }
    return { kind: "stream", parts: parts() };
  };
  const seen = await new Promise((resolve, reject) => {
    const asked = request({ port: outer.port, method: "POST", path }, (response) => {
      response.once("data", () => {
        resolve(response.headers[header]);
        asked.destroy();
      });
    });
    asked.on("error", () => {});
    asked.setTimeout(10_000, () => reject(new Error("no answer")));
    asked.end("x");
  });
  expect(seen).toBeDefined();
  const left = performance.now();
  await aborted;
  expect(performance.now() - left).toBeLessThan(1_000);
});
