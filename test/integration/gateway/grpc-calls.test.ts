// The calls of one message of the Open Inference Protocol over gRPC, and what every call keeps to.

import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Code, InferError } from "../../../core/error.ts";
import { NO_PARAMETERS, type Tensor } from "../../../core/tensor.ts";
import {
  decodeModelMetadata,
  INDEX,
  INDEX_REQUEST,
  MODEL_NAME,
  READY,
  SERVER_LIVE,
  SERVER_METADATA,
} from "../../../wire/oip-proto-service.ts";
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
const spec = { name: "x", datatype: "INT32", shape: [-1] } as const;

beforeAll(async () => {
  // `m` is asked by hand, `echo` answers its inputs
  fake.put("m", "1", { service: (request, call) => script.service(request, call), inputs: [spec], outputs: [spec] });
  fake.put("echo", "2", {
    service: async ({ inputs, parameters }) => wholeReply("echo", "2", { outputs: inputs, parameters }),
  });
  fake.put("late", "1", { service: async () => wholeReply("late", "1"), state: "unavailable", reason: "no file" });
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

const NOTHING = Buffer.alloc(0);
const call = (method: string, message: Uint8Array = NOTHING, more: Partial<GrpcQuestion> = {}) =>
  caller.ask({ method, messages: [message], ...more });

describe("what it tells", () => {
  test("the server is live and ready, has a name and a version", async () => {
    expect(SERVER_LIVE.decode((await call("ServerLive")).messages[0] ?? NOTHING)).toEqual({ live: true });
    expect(READY.decode((await call("ServerReady")).messages[0] ?? NOTHING)).toEqual({ ready: true });
    const { messages } = await call("ServerMetadata");
    expect(SERVER_METADATA.decode(messages[0] ?? NOTHING)).toMatchObject({
      name: "sluice",
      extensions: expect.arrayContaining(["parameters", "statistics"]),
    });
  });

  test.each([
    ["m", "", { code: 0 }, true],
    ["m", "1", { code: 0 }, true],
    ["late", "", { code: 0 }, false],
    ["nobody", "", { code: 0 }, false],
    ["m", "9", { code: 0 }, false],
    ["m", "abc", { code: 3, details: 'model "m": a version is a whole number, got "abc"' }, undefined],
  ])("model %s version %j is asked whether it is ready", async (name, version, end, ready) => {
    const answer = await call("ModelReady", MODEL_NAME.encode({ name, version }));
    expect(answer).toMatchObject(end);
    expect(answer.messages.map((message) => READY.decode(message).ready)).toEqual(ready === undefined ? [] : [ready]);
  });

  test("a model tells its signature", async () => {
    const { messages } = await call("ModelMetadata", MODEL_NAME.encode({ name: "m" }));
    expect(decodeModelMetadata(messages[0] ?? NOTHING)).toEqual({
      name: "m",
      versions: ["1"],
      platform: "fake",
      inputs: [spec],
      outputs: [spec],
    });
  });

  test("the index lists every version with its state, or the ready ones only", async () => {
    const index = async (ready: boolean) => {
      const { messages } = await call("RepositoryIndex", INDEX_REQUEST.encode({ ready }));
      return INDEX.decode(messages[0] ?? NOTHING).models;
    };
    expect((await index(true)).map(({ name, version, state }) => `${name} ${version} ${state}`).sort()).toEqual([
      "echo 2 READY",
      "m 1 READY",
    ]);
    expect(await index(false)).toContainEqual({ name: "late", version: "1", state: "UNAVAILABLE", reason: "no file" });
  });

  test("a call that nobody knows is UNIMPLEMENTED and says so", async () => {
    expect(await call("Nope")).toMatchObject({ code: 12, details: expect.stringContaining("Nope") });
    expect(await call("/any.Service/Thing")).toMatchObject({ code: 12 });
  });
});

/** Two elements of each datatype, with the values that break first. */
const TENSORS: readonly Tensor[] = [
  ["BOOL", Uint8Array.of(0, 1)],
  ["UINT8", Uint8Array.of(0, 255)],
  ["UINT16", new Uint16Array([0, 65535])],
  ["UINT32", new Uint32Array([0, 4294967295])],
  ["UINT64", new BigUint64Array([0n, 2n ** 64n - 1n])],
  ["INT8", new Int8Array([-128, 127])],
  ["INT16", new Int16Array([-32768, 32767])],
  ["INT32", new Int32Array([-2147483648, 2147483647])],
  ["INT64", new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n])],
  ["FP16", Uint8Array.of(0, 0x7c, 1, 0x7e)],
  ["BF16", Uint8Array.of(0x80, 0x7f, 1, 0x7f)],
  ["FP32", new Float32Array([Number.NaN, Number.NEGATIVE_INFINITY])],
  ["FP64", new Float64Array([-0, Number.MIN_VALUE])],
  ["BYTES", Uint8Array.of(2, 0, 0, 0, 0, 0xff, 0, 0, 0, 0)],
].map(([datatype, data]) => {
  const { buffer, byteOffset, byteLength } = data as Uint8Array;
  return {
    name: "x",
    datatype: datatype as Tensor["datatype"],
    shape: [2],
    data: new Uint8Array(buffer, byteOffset, byteLength),
  };
});

describe("ModelInfer", () => {
  test.each(TENSORS)("$datatype goes in raw and typed and comes back raw, bit for bit", async (tensor) => {
    for (const contents of ["raw", "typed"] as const) {
      if (contents === "typed" && ["FP16", "BF16"].includes(tensor.datatype)) continue;
      const { code, messages } = await call("ModelInfer", inferMessage({ model: "echo", inputs: [tensor], contents }));
      expect([contents, code]).toEqual([contents, 0]);
      const [output] = inferAnswer(messages[0]).outputs;
      expect([output?.datatype, output?.shape, Buffer.from(output?.data ?? [])]).toEqual([
        tensor.datatype,
        [2],
        Buffer.from(tensor.data),
      ]);
    }
  });

  test("a scalar and an empty tensor are answered as such", async () => {
    const inputs: readonly Tensor[] = [
      { name: "scalar", datatype: "FP32", shape: [], data: new Uint8Array(4) },
      { name: "empty", datatype: "BYTES", shape: [0, 3], data: new Uint8Array(0) },
    ];
    const { messages } = await call("ModelInfer", inferMessage({ model: "echo", inputs }));
    const { outputs } = inferAnswer(messages[0]);
    expect(outputs.map(({ name, shape, data }) => [name, shape, data.byteLength])).toEqual([
      ["scalar", [], 4],
      ["empty", [0, 3], 0],
    ]);
  });

  test("the id is echoed, absent ids stay absent, and parameters of the model's own come through", async () => {
    const parameters = new Map<string, string | bigint | number | boolean>([
      ["text", "a"],
      ["count", 2n ** 60n],
      ["rate", 0.5],
      ["flag", true],
    ]);
    const named = inferMessage({ model: "echo", id: "request-1", inputs: [int32("x", 1)], parameters });
    const answer = inferAnswer((await call("ModelInfer", named)).messages[0]);
    expect([answer.id, answer.modelName, answer.modelVersion]).toEqual(["request-1", "echo", "2"]);
    expect(answer.parameters).toEqual(parameters);
    const bare = inferMessage({ model: "echo", inputs: [int32("x", 1)] });
    expect(inferAnswer((await call("ModelInfer", bare)).messages[0]).id).toBeUndefined();
  });

  test("a large tensor comes back whole, over many frames", async () => {
    const big = { ...int32("x", ...Array.from({ length: 15_000 }, (_, i) => i)) };
    const { messages } = await call("ModelInfer", inferMessage({ model: "echo", inputs: [big] }));
    expect(ints(inferAnswer(messages[0]).outputs[0])).toEqual(Array.from({ length: 15_000 }, (_, i) => i));
  });

  test.each([
    [
      "raw and typed contents at once",
      [inferMessage({ model: "echo", inputs: [int32("x", 1)], contents: "typed" }), Buffer.from([0x3a, 4, 1, 0, 0, 0])],
      3,
      /expected no typed contents beside raw/,
    ],
    ["bytes that are no message", [Buffer.from([0xff, 0xff])], 3, /malformed protobuf message/],
    ["a model that nobody has", [inferMessage({ model: "nobody", inputs: [] })], 5, /model "nobody" is not known/],
    [
      "a version that is none",
      [inferMessage({ model: "echo", version: "x", inputs: [] })],
      3,
      /a version is a whole number/,
    ],
    [
      "a reserved parameter",
      [inferMessage({ model: "echo", inputs: [], parameters: new Map([["triton_x", true]]) })],
      3,
      /reserved/,
    ],
  ] as const)("%s is the client's fault", async (_, pieces, code, text) => {
    const answer = await call("ModelInfer", Buffer.concat(pieces));
    expect(answer).toMatchObject({ code, messages: [], trailers: { "sluice-error-origin": "client" } });
    expect(answer.details).toMatch(text);
  });

  test("no message and two messages are the client's fault", async () => {
    const message = inferMessage({ model: "echo", inputs: [] });
    expect(await caller.ask({ method: "ModelInfer", messages: [] })).toMatchObject({ code: 3 });
    expect(await caller.ask({ method: "ModelInfer", messages: [message, message] })).toMatchObject({ code: 3 });
  });

  test("a model that answers in a stream is to be asked with ModelStreamInfer", async () => {
    const asked = call("ModelInfer", inferMessage({ model: "m", inputs: [int32("x", 1)] }));
    (await script.handle.next()).reply({ kind: "stream", parts: (async function* () {})() });
    expect(await asked).toMatchObject({ code: 12, details: expect.stringContaining("ModelStreamInfer") });
  });
});

/** Source: grpc/grpc doc/statuscodes.md. Total, so that a new code does not compile until it stands here. */
const STATUSES: Record<Code, number> = {
  cancelled: 1,
  "invalid-argument": 3,
  "deadline-exceeded": 4,
  "not-found": 5,
  "permission-denied": 7,
  overloaded: 8,
  "too-large": 8,
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
