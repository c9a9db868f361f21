// What every call over gRPC keeps to: faults as statuses, limits, deadlines, metadata, and the client who leaves.

import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Code, InferError } from "../../../core/error.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { MODEL_NAME } from "../../../wire/oip-proto-service.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import {
  type GrpcCaller,
  type GrpcQuestion,
  grpcCaller,
  inferAnswer,
  inferMessage,
  int32,
  ints,
} from "../../support/gateway-grpc.ts";
import { until } from "../../support/http-client.ts";
import { scripted, wholeReply } from "../../support/scripted.ts";

let gateway: TestGateway;
let caller: GrpcCaller;
let script = scripted();
const fake = fakeBackend();

beforeAll(async () => {
  // `m` is asked by hand, `echo` answers its inputs
  fake.put("m", "1", { service: (request, call) => script.service(request, call) });
  fake.put("echo", "2", { service: async ({ inputs }) => wholeReply("echo", "2", { outputs: inputs }) });
  const yaml = "limits: {message: 64KiB, inFlight: 256MiB}\nbackends: {b: {kind: fake}}";
  gateway = await startGateway({ yaml, kinds: [fake.kind] });
  caller = grpcCaller(gateway.grpcPort);
});

beforeEach(() => {
  script = scripted();
});

afterAll(async () => {
  caller.close();
  await gateway.close();
});

const call = (method: string, message: Uint8Array, more: Partial<GrpcQuestion> = {}) =>
  caller.ask({ method, messages: [message], ...more });

/** Source: grpc/grpc doc/statuscodes.md. Total, so that a new code does not compile until it stands here. */
const STATUSES: Record<Code, number> = {
  cancelled: 1,
  "invalid-argument": 3,
  "deadline-exceeded": 4,
  "not-found": 5,
  "permission-denied": 7,
  overloaded: 8,
  "too-large": 8,
  "quota-exceeded": 8,
  unsupported: 12,
  "bad-backend": 13,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
};

/** A backend that no longer has its model is unavailable, whatever it says. */
const PASSED_ON = (Object.entries(STATUSES) as [Code, number][]).filter(([code]) => code !== "not-found");

describe("a fault", () => {
  test.each(PASSED_ON)("%s is status %d, told with its origin", async (code, status) => {
    const asked = call("ModelInfer", inferMessage({ model: "m", inputs: [] }));
    const fault = new InferError(code, "50% of “everything”\nis \ud800 wrong");
    (await script.handle.next()).fail(fault);
    const answer = await asked;
    expect(answer).toMatchObject({ code: status, details: "50% of “everything”\nis \ufffd wrong" });
    expect(answer.trailers["sluice-error-origin"]).toBe(fault.origin);
  });

  test("a pause is told as gRPC's own clients understand it", async () => {
    const asked = call("ModelInfer", inferMessage({ model: "m", inputs: [] }));
    (await script.handle.next()).fail(new InferError("overloaded", "full", { retryAfterMs: 250 }));
    expect((await asked).trailers["grpc-retry-pushback-ms"]).toBe("250");
  });

  test("a text of any length fits what clients take", async () => {
    const answer = await call("ModelMetadata", MODEL_NAME.encode({ name: "é".repeat(25_000) }));
    expect(answer.code).toBe(5);
    expect(answer.details).toMatch(/^model "é+\.\.\.$/);
    expect(Buffer.byteLength(answer.details)).toBeLessThan(2_100);
  });
});

describe("limits", () => {
  test("a message over limits.message is refused, in and out", async () => {
    const big = inferMessage({ model: "echo", inputs: [int32("x", ...new Array(17_000).fill(1))] });
    const refused = await call("ModelInfer", big);
    expect(refused).toMatchObject({ code: 8, details: expect.stringContaining("65536") });
    const asked = call("ModelInfer", inferMessage({ model: "m", inputs: [] }));
    (await script.handle.next()).reply(wholeReply("m", "1", { outputs: [int32("y", ...new Array(17_000).fill(1))] }));
    const answer = await asked;
    expect(answer).toMatchObject({ code: 8, trailers: { "sluice-error-origin": "gateway" } });
    expect(answer.details).toMatch(/^expected an answer of at most 65536 bytes \(limits.message\), got 680\d\d$/);
  });

  test.each([1, 2] as const)(
    "messages compressed by way %d are read, and bounded by what they inflate to",
    async (compression) => {
      const zipped = grpcCaller(gateway.grpcPort, { compression });
      try {
        const small = inferMessage({ model: "echo", inputs: [int32("x", ...new Array(10_000).fill(7))] });
        const { code, messages } = await zipped.ask({ method: "ModelInfer", messages: [small] });
        expect([code, inferAnswer(messages[0]).outputs[0]?.shape]).toEqual([0, [10_000]]);
        const bomb = inferMessage({ model: "echo", inputs: [int32("x", ...new Array(100_000).fill(7))] });
        expect(await zipped.ask({ method: "ModelInfer", messages: [bomb] })).toMatchObject({ code: 8 });
      } finally {
        zipped.close();
      }
    },
  );

  test("what is held of messages is given back", async () => {
    await until(async () => (await gateway.metrics()).sum("sluice_in_flight_requests") === 0, 2_000);
    expect((await gateway.metrics()).sum("sluice_in_flight_bytes")).toBe(0);
    const asked = call("ModelInfer", inferMessage({ model: "m", inputs: [int32("x", 1, 2, 3)] }));
    const one = await script.handle.next();
    const metrics = await gateway.metrics();
    expect(metrics.sum("sluice_in_flight_requests")).toBe(1);
    expect(metrics.sum("sluice_in_flight_bytes")).toBeGreaterThan(12);
    one.reply(wholeReply("m", "1"));
    await asked;
    await until(async () => (await gateway.metrics()).sum("sluice_in_flight_bytes") === 0, 2_000);
  });
});

describe("a call", () => {
  const asking = (more: Partial<GrpcQuestion> = {}) =>
    call("ModelInfer", inferMessage({ model: "m", inputs: [int32("x", 1)] }), more);

  test("has its caller's metadata, id and trace, and tells id and trace back", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const asked = asking({ metadata: { "x-request-id": "me", traceparent, "x-any": "thing", "some-bin": "AP8=" } });
    const one = await script.handle.next();
    expect(one.call).toMatchObject({ id: "me", traceparent, protocol: "oip-grpc" });
    expect([one.call.headers.get("x-any"), one.call.headers.get("some-bin")]).toEqual(["thing", "AP8="]);
    expect(one.call.peer).toMatch(/^127\.0\.0\.1/);
    one.reply(wholeReply("m", "1"));
    expect((await asked).head).toMatchObject({ "x-request-id": "me", traceparent });
    const failing = asking({ metadata: { "x-request-id": "me2" } });
    (await script.handle.next()).fail(new InferError("internal", "x"));
    expect((await failing).trailers).toMatchObject({ "x-request-id": "me2" });
  });

  test("ends at its caller's deadline, and the backend hears of it", async () => {
    const asked = asking({ timeoutMs: 150 });
    const one = await script.handle.next();
    const leftMs = one.call.deadline - one.call.clock.now();
    expect(leftMs > 0 && leftMs <= 150).toBe(true);
    await once(one.call.signal, "abort");
    expect(one.call.signal.reason.code).toBe("deadline-exceeded");
    expect(await asked).toMatchObject({ code: 4 });
  });

  test.each([2_592_000_000, 315_360_000_000])("may have a deadline of %d ms", async (timeoutMs) => {
    const asked = asking({ timeoutMs });
    (await script.handle.next()).reply(wholeReply("m", "1"));
    expect((await asked).code).toBe(0);
  });

  test("never waits longer than the gateway allows, whatever its caller says", async () => {
    const asked = asking({ timeoutMs: 3_600_000 });
    const one = await script.handle.next();
    expect(one.call.deadline - one.call.clock.now()).toBeLessThanOrEqual(30_000);
    one.reply(wholeReply("m", "1"));
    expect((await asked).code).toBe(0);
  });

  test("that its client leaves is given up within 100 ms", async () => {
    const open = caller.open({ method: "ModelInfer" });
    open.on("error", () => {});
    open.end(inferMessage({ model: "m", inputs: [int32("x", 1)] }));
    const { call: asked } = await script.handle.next();
    const left = performance.now();
    const gone = once(asked.signal, "abort");
    open.cancel();
    await gone;
    expect(performance.now() - left).toBeLessThan(100);
    expect(asked.signal.reason.code).toBe("cancelled");
  });

  test("counts once, whether answered, refused by the model or unreadable", async () => {
    const counted = async (labels: Readonly<Record<string, string>>) =>
      (await gateway.metrics()).sum("sluice_requests_total", { protocol: "oip-grpc", ...labels });
    const cases = { ok: { code: "ok", model: "echo" }, broken: { code: "invalid-argument", model: "" } };
    const before = [await counted(cases.ok), await counted(cases.broken)];
    await call("ModelInfer", inferMessage({ model: "echo", inputs: [] }));
    await call("ModelInfer", Buffer.from([0xff]));
    expect([await counted(cases.ok), await counted(cases.broken)]).toEqual(before.map((count) => count + 1));
  });

  test("goes its way beside many others on one connection", async () => {
    const many = Array.from({ length: 300 }, (_, i) =>
      call("ModelInfer", inferMessage({ model: "echo", id: `${i}`, inputs: [int32("x", i)] })),
    );
    const answers = (await Promise.all(many)).map(({ messages }) => inferAnswer(messages[0]));
    expect(answers.map(({ id }) => id)).toEqual(Array.from({ length: 300 }, (_, i) => `${i}`));
    expect(answers.map(({ outputs }) => ints(outputs[0])[0])).toEqual(Array.from({ length: 300 }, (_, i) => i));
  });
});

test("the parameters `timeout` and `priority` of a request are the call's", async () => {
  const hints = { timeoutMs: 2_000, priority: 3, sluice: NO_PARAMETERS };
  const asked = call("ModelInfer", inferMessage({ model: "m", inputs: [], hints }));
  const one = await script.handle.next();
  expect([one.call.priority, one.call.deadline - one.call.clock.now() <= 2_000]).toEqual([3, true]);
  expect(one.request.parameters.size).toBe(0);
  one.reply(wholeReply("m", "1"));
  expect((await asked).code).toBe(0);
});
