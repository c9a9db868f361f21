// The kind tf-serving. Answers are those recorded from TensorFlow behind TensorFlow Serving's stubs (its JSON and statuses
// written after its source); sources of the others: protocols.md 8 and 16.2.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Connection, Door } from "../../../backends/connection.ts";
import { tfServing, tfServingServer } from "../../../backends/tf-serving.ts";
import type { InferError } from "../../../core/error.ts";
import type { Tensor } from "../../../core/tensor.ts";
import { runNow } from "../../../wire/sliced.ts";
import { decodeRequest } from "../../../wire/tfs-proto.ts";
import {
  ask,
  connectKind,
  faultOf,
  faultsOf,
  kindDoor,
  numbers,
  outputsOf,
  someCall,
  texts,
} from "../../support/kind-door.ts";
import { liveCall, liveDoor } from "../../support/live-door.ts";
import { type RecordedServer, startRecorded } from "../../support/recorded.ts";
import { type RecordedGrpcServer, startRecordedGrpc } from "../../support/recorded-grpc.ts";

const tested = { kind: tfServing, server: tfServingServer };
const signal = new AbortController().signal;
const ROW = Array.from({ length: 16 }, (_, index) => index);
const BOTH = ["INPUT0", "INPUT1"].map((name) => numbers(name, "INT32", [1, 16], ROW));
const SUM = numbers(
  "OUTPUT0",
  "INT32",
  [1, 16],
  ROW.map((value) => value * 2),
);
const DIFFERENCE = numbers(
  "OUTPUT1",
  "INT32",
  [1, 16],
  ROW.map(() => 0),
);
const hex = ({ name, datatype, shape, data }: Tensor) => [
  name,
  datatype,
  [...shape],
  Buffer.from(data).toString("hex"),
];
const version = (name: string, at: string) => ({ model: { name, select: { by: "version", version: at } } }) as const;
const label = (name: string, at: string) => ({ model: { name, select: { by: "label", label: at } } }) as const;

describe.each(["rest", "grpc"] as const)("over %s", (protocol) => {
  let server: RecordedServer | RecordedGrpcServer;
  let tfs: Connection;

  function connect(words: object = {}): Connection {
    const door: Door = {
      ...liveDoor(`http://127.0.0.1:${server.port}`),
      signature: (model, waiting) => connection.metadata(model, waiting),
    };
    const connection = connectKind(tested, { protocol, ...words }, door);
    return connection;
  }

  beforeAll(async () => {
    server = await (protocol === "rest" ? startRecorded("tf-serving") : startRecordedGrpc("tf-serving"));
    tfs = connect();
  });
  afterAll(async () => {
    await tfs.close();
    await server.close();
  });

  test("a server that refuses a question about no model is up", async () => {
    expect(await tfs.health(signal)).toBe("tf-serving");
  });

  test("only the models that are wanted are asked about, and those it lacks are left out", async () => {
    expect(await tfs.models(["half_plus", "nobody"], signal)).toEqual([
      { name: "half_plus", version: "2", state: "ready" },
      { name: "half_plus", version: "1", state: "ready" },
    ]);
    expect(await tfs.models([], signal)).toEqual([]);
  });

  test("a model's signature is that of its serving_default, or of the name that the config says", async () => {
    expect(await tfs.metadata({ name: "add_sub" }, signal)).toEqual({
      name: "add_sub",
      version: "1",
      versions: ["1"],
      platform: "tensorflow_savedmodel",
      inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "INT32", shape: [-1, 16] })),
      outputs: ["OUTPUT0", "OUTPUT1"].map((name) => ({ name, datatype: "INT32", shape: [-1, 16] })),
      batchDim: 0,
      stateful: false,
    });
    const other = connect({ models: { half_plus: { signatureName: "classify_x" } } });
    const named = protocol === "rest" ? { name: "half_plus", version: "1" } : { name: "half_plus" };
    const { inputs, outputs } = await other.metadata(named, signal);
    expect(inputs).toEqual([{ name: "inputs", datatype: "BYTES", shape: [-1] }]);
    expect(outputs.map(({ name, datatype }) => `${name} ${datatype}`).sort()).toEqual(["classes BYTES", "scores FP32"]);
    const none = connect({ models: { half_plus: { signatureName: "nobody" } } });
    expect(await faultOf(none.metadata(named, signal))).toEqual([
      "unsupported",
      "gateway",
      "no",
      expect.stringContaining("name one of them as signatureName"),
    ]);
    await Promise.all([other.close(), none.close()]);
  });

  test("an answer's tensors are those of the signature, bit by bit", async () => {
    const reply = await tfs.infer(ask("add_sub", BOTH), liveCall());
    expect(outputsOf(reply).map(hex)).toEqual([hex(SUM), hex(DIFFERENCE)]);
    expect(reply).toMatchObject({ model: { name: "add_sub", version: "1" } });
    const asked = [{ name: "OUTPUT1", parameters: new Map() }];
    const some = await tfs.infer(ask("add_sub", BOTH, { outputs: asked }), liveCall());
    expect(outputsOf(some).map(hex)).toEqual([hex(DIFFERENCE)]);
  });

  test("a label goes on the wire, and the version that answered is told", async () => {
    const x = numbers("x", "FP32", [3], [1, 2, -4]);
    const reply = await tfs.infer(ask("half_plus", [x], label("half_plus", "stable")), liveCall());
    expect(outputsOf(reply).map(hex)).toEqual([hex(numbers("y", "FP32", [3], [2.5, 3, 0]))]);
    expect(reply).toMatchObject({ model: { name: "half_plus", version: "1" } });
  });

  test("classes and regressions are tensors of the names that TensorFlow has for them", async () => {
    const features = [numbers("x", "FP32", [1], [1.5]), texts("label", [1], ["a"])];
    const task = { task: "classify", signature: "classify_x" } as const;
    const outputs = outputsOf(await tfs.infer(ask("half_plus", features, task), liveCall()));
    const score = protocol === "rest" ? 3.75 : 3.5;
    expect(outputs.map(hex)).toEqual([
      hex(texts("classes", [1, 2], ["a", "other"])),
      hex(numbers("scores", "FP32", [1, 2], [score, 0])),
    ]);
    const regress = { task: "regress", signature: "regress_x" } as const;
    const [values] = outputsOf(await tfs.infer(ask("half_plus", features.slice(0, 1), regress), liveCall()));
    expect([values?.name, values?.datatype]).toEqual(["outputs", "FP32"]);
  });
});

describe("over REST", () => {
  const SIGNATURE = {
    inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
    outputs: [{ name: "y", datatype: "FP64", shape: [-1, 2] }],
  } as const;
  const x = numbers("x", "FP32", [2, 2], [1, 16777217, -0, Number.NaN]);

  const asked = async (words: object, request = ask("m", [x]), body = '{"outputs": [[1.0, NaN], [-0.0, 1e-05]]}') => {
    const door = kindDoor(() => ({ body }), { signature: SIGNATURE });
    const reply = await connectKind(tested, words, door).infer(request, someCall());
    return { reply, asked: door.asks[0] };
  };

  test("whole floats keep their fraction, and odd ones are tokens", async () => {
    const { reply, asked: question } = await asked({});
    expect(question).toMatchObject({
      method: "POST",
      path: "/v1/models/m:predict",
      headers: { "content-type": "application/json", traceparent: "00-1-2-01" },
      body: '{"inputs":{"x":[[1.0,16777216.0],[-0.0,NaN]]}}',
    });
    expect(outputsOf(reply).map(hex)).toEqual([hex(numbers("y", "FP64", [2, 2], [1, Number.NaN, -0, 1e-5]))]);
  });

  test("rows, signatures, versions and names that no path holds", async () => {
    const words = { format: "row", models: { "a/b": { signatureName: "s" }, m: { format: "column" } } };
    const rows = await asked(words, ask("a/b", [x], version("a/b", "7")), '{"predictions": [[1.0, 2.0]]}');
    expect(rows.asked?.path).toBe("/v1/models/a%2Fb/versions/7:predict");
    expect(rows.asked?.body).toBe('{"signature_name":"s","instances":[[1.0,16777216.0],[-0.0,NaN]]}');
    expect(rows.reply).toMatchObject({ model: { name: "a/b", version: "7" } });
    expect((await asked(words)).asked?.body).toContain('{"inputs":');
    expect(faultsOf(tested, { protocol: "http" })).toEqual([expect.stringContaining("protocol")]);
  });

  test("all signatures are told by name, but for those with tensors that cannot be carried", async () => {
    const info = (dtype: string) => ({ dtype, tensor_shape: { dim: [{ size: "-1" }] }, name: "y:0" });
    const one = (dtype: string, method: string) => ({ inputs: {}, outputs: { y: info(dtype) }, method_name: method });
    const signature_def = {
      serving_default: one("DT_INT32", "tensorflow/serving/predict"),
      regress_x: one("DT_FLOAT", "tensorflow/serving/regress"),
      odd: one("DT_VARIANT", "tensorflow/serving/predict"),
      __saved_model_init_op: one("DT_INT32", ""),
    };
    const told = { model_spec: { version: "7" }, metadata: { signature_def: { signature_def } } };
    const states = { model_version_status: [{ version: "7", state: "AVAILABLE", status: {} }] };
    const door = kindDoor(({ path }) => ({ body: JSON.stringify(path.endsWith("/metadata") ? told : states) }));
    const metadata = await connectKind(tested, {}, door).metadata?.({ name: "m" }, new AbortController().signal);
    const named = [...(metadata?.signatures ?? [])].map(([name, { method, outputs }]) => [name, method, outputs]);
    expect(named).toEqual([
      ["serving_default", "tensorflow/serving/predict", [{ name: "y", datatype: "INT32", shape: [-1] }]],
      ["regress_x", "tensorflow/serving/regress", [{ name: "y", datatype: "FP32", shape: [-1] }]],
    ]);
  });

  test("a signature beside the usual one is asked for once in a few seconds, that of a label each time", async () => {
    const info = { dtype: "DT_INT32", tensor_shape: { dim: [{ size: "-1" }] }, name: "y:0" };
    const told = {
      model_spec: { version: "7" },
      metadata: { signature_def: { signature_def: { other: { inputs: {}, outputs: { y: info } } } } },
    };
    const door = kindDoor(({ method }) => ({ body: method === "GET" ? JSON.stringify(told) : '{"outputs": [1]}' }));
    const tfs = connectKind(tested, {}, door);
    const request = (more: object) => ask("m", [x], { signature: "other", ...more });
    const reply = await tfs.infer(request({}), someCall());
    expect(outputsOf(reply).map(hex)).toEqual([hex(numbers("y", "INT32", [1], [1]))]);
    expect(reply).toMatchObject({ model: { name: "m", version: "7" } });
    await tfs.infer(request({}), someCall());
    await tfs.infer(request(label("m", "l")), someCall());
    await tfs.infer(request(label("m", "l")), someCall());
    const M = "/v1/models/m";
    expect(door.asks.map(({ path }) => path)).toEqual([
      ...[`${M}/metadata`, `${M}:predict`, `${M}:predict`],
      ...[`${M}/labels/l/metadata`, `${M}/labels/l:predict`, `${M}/labels/l/metadata`, `${M}/labels/l:predict`],
    ]);
    expect((await faultOf(tfs.infer(request({ signature: "nobody" }), someCall())))[3]).toContain(
      "expected a signature of other",
    );
  });

  test("what its JSON has no form for is refused before it is sent, naming what carries it", async () => {
    const door = kindDoor(() => ({}), { signature: SIGNATURE });
    const connection = connectKind(tested, {}, door);
    for (const datatype of ["FP16", "BF16", "UINT16"] as const) {
      const tensor: Tensor = { name: "x", datatype, shape: [1], data: new Uint8Array(2) };
      const fault = await faultOf(connection.infer(ask("m", [tensor]), someCall()));
      expect(fault).toEqual(["unsupported", "client", "no", expect.stringContaining("protocol: grpc")]);
    }
    const empty = await faultOf(connection.infer(ask("m", [numbers("x", "FP32", [0, 2], [])]), someCall()));
    expect(empty[3]).toContain("shape [0,2]; gRPC (protocol: grpc) carries it");
    expect(door.asks).toEqual([]);
  });

  test.each([
    ["<html>", "malformed JSON"],
    ['{"outputs": [[1, 2], [3]]}', "needs 2 items"],
    ['{"outputs": [["a"]]}', "FP64's range"],
    ['{"predictions": [1], "outputs": [1]}', "got both"],
    ["{}", "got neither"],
    ['{"outputs": [[1, 2]', "malformed JSON"],
  ])("an answer of %s is the backend's fault", async (body, words) => {
    const fault = await faultOf(asked({}, ask("m", [x]), body));
    expect(fault).toEqual(["bad-backend", "backend", "elsewhere", expect.stringContaining(words)]);
  });

  test("a server behind a proxy that reaches nothing is not up", async () => {
    for (const [status, up] of [
      [400, true],
      [404, true],
      [200, true],
      [502, false],
      [503, false],
      [401, false],
    ] as const) {
      const work = connectKind(
        tested,
        {},
        kindDoor(() => ({ status })),
      ).health(signal);
      expect(
        await work.then(
          () => true,
          (error: InferError) => error.code,
        ),
      ).toBe(up ? true : "unavailable");
    }
  });
});

describe("over gRPC", () => {
  test("tensors go as their bytes, under the model, version and signature asked for", async () => {
    const server = await startRecordedGrpc("tf-serving");
    const door = liveDoor(`http://127.0.0.1:${server.port}`);
    const tfs = connectKind(tested, { protocol: "grpc", models: { add_sub: { signatureName: "s" } } }, door);
    const outputs = [{ name: "OUTPUT0", parameters: new Map() }];
    await tfs.infer(ask("add_sub", BOTH, { ...version("add_sub", "1"), outputs }), liveCall());
    const read = runNow(decodeRequest(server.asked[0]!.messages[0]!, { maxTensors: 4 }));
    expect(read.model).toEqual({ name: "add_sub", version: 1n, signature: "s" });
    expect([read.inputs.map(hex), read.outputs]).toEqual([BOTH.map(hex), ["OUTPUT0"]]);
    const wrong = tfs.infer(ask("add_sub", BOTH, version("add_sub", "first")), liveCall());
    expect((await faultOf(wrong)).slice(0, 3)).toEqual(["not-found", "client", "no"]);
    await tfs.close();
    await server.close();
  });
});
