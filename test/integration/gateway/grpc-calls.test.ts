// The calls of one message of the Open Inference Protocol over gRPC, and what every call keeps to.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Tensor } from "../../../core/tensor.ts";
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
