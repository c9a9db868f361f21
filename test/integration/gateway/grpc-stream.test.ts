// ModelStreamInfer: many requests on one stream, answers in order, streams of answers beside them, errors among them.

import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { InferResponse } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { type GrpcCaller, grpcCaller, inferMessage, int32, ints, streamAnswer } from "../../support/gateway-grpc.ts";
import { until } from "../../support/http-client.ts";
import { scripted } from "../../support/scripted.ts";

let gateway: TestGateway;
let caller: GrpcCaller;
let script = scripted();
const fake = fakeBackend();
const warnings: Error[] = [];
const onWarning = (warning: Error) => warnings.push(warning);

beforeAll(async () => {
  process.on("warning", onWarning);
  fake.put("m", "1", { service: (request, call) => script.service(request, call) });
  gateway = await startGateway({ yaml: "backends: {b: {kind: fake}}", kinds: [fake.kind] });
  caller = grpcCaller(gateway.grpcPort);
});

beforeEach(() => {
  script = scripted();
});

afterAll(async () => {
  caller.close();
  await gateway.close();
  process.off("warning", onWarning);
  expect(warnings).toEqual([]);
});

const whole = (...values: readonly number[]): InferResponse => ({
  kind: "whole",
  model: { name: "m", version: "1" },
  outputs: [int32("y", ...values)],
  parameters: NO_PARAMETERS,
});

const ask = (id: string, more: Partial<Parameters<typeof inferMessage>[0]> = {}) =>
  inferMessage({ model: "m", id, inputs: [int32("x", Number(id))], ...more });

/** `id:values` of an answer, with `!` behind the last of its request; `id!text` of an error. */
function said(message: Uint8Array): string {
  const part = streamAnswer(message);
  if (part.kind === "error") return `${part.id}!${part.message}`;
  const { id, outputs, final } = part.response;
  return `${id}:${outputs.map((output) => ints(output).join(",")).join(" ")}${final === true ? "." : final === false ? "" : "?"}`;
}

const METHOD = "ModelStreamInfer";

test("whole answers come in the order of their requests, however late the first one is", async () => {
  const asked = caller.ask({ method: METHOD, messages: ["1", "2", "3"].map((id) => ask(id)) });
  const [first, second, third] = [await script.handle.next(), await script.handle.next(), await script.handle.next()];
  expect(first.request.inputs.map(ints)).toEqual([[1]]);
  third.reply(whole(30));
  second.reply(whole(20));
  first.reply(whole(10, 11));
  const { code, messages } = await asked;
  expect([code, messages.map(said)]).toEqual([0, ["1:10,11.", "2:20.", "3:30."]]);
});

test("every request has a call of its own, and all of them the stream's headers and time", async () => {
  const metadata = { "x-request-id": "stream-7", "x-tenant": "a" };
  const asked = caller.ask({ method: METHOD, messages: [ask("1"), ask("2")], metadata, timeoutMs: 10_000 });
  const calls = [await script.handle.next(), await script.handle.next()];
  expect(calls.map(({ call }) => [call.id, call.protocol, call.headers.get("x-tenant")])).toEqual([
    ["stream-7.1", "oip-grpc", "a"],
    ["stream-7.2", "oip-grpc", "a"],
  ]);
  for (const { call } of calls) {
    const leftMs = call.deadline - call.clock.now();
    expect(leftMs > 8_000 && leftMs <= 10_000).toBe(true);
  }
  for (const one of calls) one.reply(whole(1));
  expect((await asked).head["x-request-id"]).toBe("stream-7");
});

test("a request that fails is answered with its error and its id, and the stream goes on", async () => {
  const unreadable = Buffer.concat([ask("2"), Buffer.from([0x3a, 0x01, 0x00])]);
  const asked = caller.ask({
    method: METHOD,
    messages: [ask("1"), unreadable, ask("3", { model: "nobody" }), Buffer.from([0xff]), ask("5")],
  });
  const first = await script.handle.next();
  first.fail(new InferError("bad-backend", "the model fell over"));
  (await script.handle.next()).reply(whole(5));
  const { code, messages } = await asked;
  expect([code, messages.map(said)]).toEqual([
    0,
    [
      "1!the model fell over",
      "2!expected raw contents for 1 inputs, got 2",
      '3!model "nobody" is not known',
      expect.stringMatching(/^undefined!malformed protobuf message/),
      "5:5.",
    ],
  ]);
});

test("with triton_grpc_error the first error ends the stream with its status", async () => {
  const asked = caller.ask({
    method: METHOD,
    messages: [ask("1"), ask("2", { model: "nobody" }), ask("3")],
    metadata: { triton_grpc_error: "true" },
  });
  const first = await script.handle.next();
  const third = await script.handle.next();
  first.reply(whole(1));
  const { code, details, messages, trailers } = await asked;
  expect([code, details, messages.map(said)]).toEqual([5, 'model "nobody" is not known', ["1:1."]]);
  expect(trailers["sluice-error-origin"]).toBe("client");
  // nobody waits for the others any longer
  await until(() => third.call.signal.aborted, 1_000);
});

test("streams of answers come beside whole ones, and an empty last answer only to who asks for it", async () => {
  let more = (_: InferResponse | undefined) => {};
  async function* parts() {
    for (;;) {
      const part = await new Promise<InferResponse | undefined>((resolve) => {
        more = resolve;
      });
      if (part === undefined) return;
      yield part;
    }
  }
  const call = caller.open({ method: METHOD });
  const got: string[] = [];
  call.on("data", (message: Buffer) => got.push(said(message)));
  call.write(ask("1", { emptyFinal: true }));
  call.write(ask("2"));
  (await script.handle.next()).reply({ kind: "stream", parts: parts() });
  (await script.handle.next()).reply(whole(2));
  await until(() => got.length === 1, 1_000);
  more(whole(1));
  await until(() => got.length === 2, 1_000);
  more(whole(11));
  await until(() => got.length === 3, 1_000);
  more(undefined);
  call.end();
  await once(call, "end");
  expect(got).toEqual(["2:2.", "1:1", "1:11", "1:."]);
});

test("a stream of answers that breaks off says so in its place", async () => {
  async function* parts() {
    yield whole(1);
    throw new InferError("unavailable", "the backend is gone");
  }
  const asked = caller.ask({ method: METHOD, messages: [ask("1")] });
  (await script.handle.next()).reply({ kind: "stream", parts: parts() });
  const { code, messages } = await asked;
  expect([code, messages.map(said)]).toEqual([0, ["1:1", "1!the backend is gone"]]);
});

test("requests of one sequence run one after the other, others beside them", async () => {
  const sequence = { id: 7n, start: false, end: false };
  const of = (id: string) => ask(id, { hints: { sequence, sluice: NO_PARAMETERS } });
  const asked = caller.ask({ method: METHOD, messages: [of("1"), of("2"), ask("3")] });
  const seen = [await script.handle.next(), await script.handle.next()];
  expect(seen.map(({ request }) => ints(request.inputs[0]))).toEqual([[1], [3]]);
  expect(script.handle.waiting).toBe(0);
  for (const one of seen) one.reply(whole(0));
  const second = await script.handle.next();
  expect(ints(second.request.inputs[0])).toEqual([2]);
  second.reply(whole(0));
  expect((await asked).messages.map(said)).toEqual(["1:0.", "2:0.", "3:0."]);
});

test("at most 64 requests of a stream are in work; the next ones stay on the wire", async () => {
  const asked = caller.ask({ method: METHOD, messages: Array.from({ length: 100 }, (_, i) => ask(`${i}`)) });
  await until(() => script.handle.waiting === 64, 2_000);
  await new Promise((resolve) => setImmediate(resolve));
  expect(script.handle.waiting).toBe(64);
  for (let i = 0; i < 100; i += 1) (await script.handle.next()).reply(whole(i));
  expect((await asked).messages.map(said)).toEqual(Array.from({ length: 100 }, (_, i) => `${i}:${i}.`));
});

test("when the client leaves, all of its requests are given up within 100 ms", async () => {
  const call = caller.open({ method: METHOD });
  call.on("error", () => {});
  for (const id of ["1", "2", "3"]) call.write(ask(id));
  const asked = [await script.handle.next(), await script.handle.next(), await script.handle.next()];
  const left = performance.now();
  const gone = Promise.all(asked.map(({ call: { signal } }) => once(signal, "abort")));
  call.cancel();
  await gone;
  expect(performance.now() - left).toBeLessThan(100);
  expect(asked.map(({ call: { signal } }) => signal.reason.code)).toEqual(["cancelled", "cancelled", "cancelled"]);
});

test("a client that only half-closes still gets its answers", async () => {
  const asked = caller.ask({ method: METHOD, messages: [ask("1")] });
  const one = await script.handle.next();
  await new Promise((resolve) => setImmediate(resolve));
  one.reply(whole(4));
  expect((await asked).messages.map(said)).toEqual(["1:4."]);
  expect(await caller.ask({ method: METHOD, messages: [] })).toMatchObject({ code: 0, messages: [] });
});
