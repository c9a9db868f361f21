// TensorFlow Serving's gRPC protocol against a whole gateway.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runNow } from "../../../wire/sliced.ts";
import { exampleWith, type Feature } from "../../../wire/tfs-examples.ts";
import { decodeResponse, encodeRequest, type ModelSpec } from "../../../wire/tfs-proto.ts";
import {
  decodeMetadata,
  decodeStatus,
  encodeMetadataRequest,
  encodeStatusRequest,
} from "../../../wire/tfs-proto-documents.ts";
import {
  decodeClassifyResponse,
  decodeMultiResponse,
  decodeRegressResponse,
  encodeExamplesRequest,
  encodeMultiRequest,
} from "../../../wire/tfs-proto-examples.ts";
import { type GrpcAnswer, type GrpcCaller, grpcCaller } from "../../support/gateway-grpc.ts";
import { floats, floatsIn, type RowGateway, rowGateway } from "../../support/gateway-rows.ts";

let rows: RowGateway;
let caller: GrpcCaller;
let before = 0;
beforeAll(async () => {
  rows = await rowGateway();
  caller = grpcCaller(rows.gateway.grpcPort);
});
beforeEach(() => {
  before = rows.asked.length;
});
afterAll(async () => {
  caller.close();
  await rows.gateway.close();
});

const requests = () => rows.asked.slice(before).map(({ request }) => request);
const PREDICTION = "/tensorflow.serving.PredictionService";
const MODELS = "/tensorflow.serving.ModelService";

const ask = (method: string, message: Uint8Array): Promise<GrpcAnswer> => caller.ask({ method, messages: [message] });

const messageIn = ({ messages, code, details }: GrpcAnswer): Uint8Array => {
  if (code !== 0 || messages[0] === undefined) throw new Error(`expected an answer, got ${code} ${details}`);
  return messages[0];
};

const spec = (name: string, more: Partial<ModelSpec> = {}): ModelSpec => ({ name, signature: "", ...more });

const predict = (
  model: ModelSpec | undefined,
  inputs = [floats("x", [2], 1, 5)],
  outputs: readonly string[] = [],
): Promise<GrpcAnswer> =>
  ask(`${PREDICTION}/Predict`, runNow(encodeRequest({ inputs, outputs, ...(model === undefined ? {} : { model }) })));

const MAX = { maxTensors: 100 };

describe("Predict", () => {
  test("answers under the version that answered and the default signature's name", async () => {
    const { model, outputs } = runNow(decodeResponse(messageIn(await predict(spec("half"))), MAX));
    expect(model).toEqual({ name: "half", version: 3n, signature: "serving_default" });
    expect(outputs.map(({ name, shape }) => [name, shape])).toEqual([["y", [2]]]);
    expect(floatsIn(outputs[0])).toEqual([2.5, 4.5]);
    expect(requests()[0]).not.toHaveProperty("signature");
  });

  test.each([
    [{ version: 1n }, "1"],
    [{ version: 0n }, "3"],
    [{ label: "stable" }, "2"],
    [{ signature: "serving_default" }, "3"],
  ])("%o is answered by version %s", async (more, version) => {
    messageIn(await predict(spec("half", more)));
    expect(requests()[0]?.model.select).toEqual({ by: "version", version });
  });

  test("typed values and tensor_content mean the same, and the last value stands for the rest", async () => {
    // PredictRequest{model_spec{name: "half"}, inputs{"x": TensorProto{DT_FLOAT, [3], float_val: [2]}}}
    const tensor = Buffer.from("08011204120208032a0400000040", "hex");
    const proto = Buffer.concat([Buffer.from([0x0a, 1, 0x78, 0x12, tensor.byteLength]), tensor]);
    const message = Buffer.concat([
      Buffer.from([0x0a, 6, 0x0a, 4]),
      Buffer.from("half"),
      Buffer.from([0x12, proto.byteLength]),
      proto,
    ]);
    const { outputs } = runNow(decodeResponse(messageIn(await ask(`${PREDICTION}/Predict`, message)), MAX));
    expect(floatsIn(outputs[0])).toEqual([3, 3, 3]);
    const typed = runNow(
      encodeRequest({ model: spec("half"), inputs: [floats("x", [2], 4, 6)], outputs: [] }, { form: "typed" }),
    );
    const again = runNow(decodeResponse(messageIn(await ask(`${PREDICTION}/Predict`, typed)), MAX));
    expect(floatsIn(again.outputs[0])).toEqual([4, 5]);
  });

  test("an output_filter is passed on in its order", async () => {
    await predict(spec("half"), undefined, ["y", "z"]);
    expect(requests()[0]?.outputs?.map(({ name }) => name)).toEqual(["y", "z"]);
  });

  test.each([
    ["no spec", undefined, 3, "Missing ModelSpec"],
    ["no name", spec(""), 3, "ModelSpec has no name specified."],
    ["an unknown model", spec("nope"), 5, "Servable not found for request: Latest(nope)"],
    ["an unknown version", spec("half", { version: 9n }), 5, "Servable not found for request: Specific(half, 9)"],
    ["an unknown label", spec("half", { label: "x" }), 3, "Unrecognized servable version label: x"],
    [
      "an unknown signature",
      spec("half", { signature: "s" }),
      9,
      'Serving signature name: "s" not found in signature def',
    ],
    ["a model that is loading", spec("slow"), 14, 'model "slow" is not ready (loading: still loading)'],
  ] as const)("%s", async (_, model, code, details) => {
    const answer = await predict(model);
    expect([answer.code, answer.details]).toEqual([code, details]);
    expect(answer.trailers["sluice-error-origin"]).toBe(code === 14 ? "backend" : "client");
    expect(requests()).toHaveLength(0);
  });

  test("a filter that names an output twice, and bytes that are no message, are refused", async () => {
    expect((await predict(spec("half"), undefined, ["y", "y"])).code).toBe(3);
    expect((await ask(`${PREDICTION}/Predict`, Buffer.from([0x0a, 0xff]))).code).toBe(3);
  });
});

const ints = (...values: readonly number[]): Feature => ({
  bytes_list: undefined,
  float_list: undefined,
  int64_list: { value: values.map(BigInt) },
});
const examples = [exampleWith(new Map([["a", ints(1)]])), exampleWith(new Map([["a", ints(2, 3)]]))];

describe("Examples", () => {
  test("Classify gives labels and scores for each", async () => {
    const message = encodeExamplesRequest({ model: spec("tensorflow"), examples });
    const answer = runNow(decodeClassifyResponse(messageIn(await ask(`${PREDICTION}/Classify`, message))));
    expect(answer.model).toEqual({ name: "tensorflow", version: 7n, signature: "serving_default" });
    expect(answer.outputs.map(({ name, shape }) => [name, shape])).toEqual([
      ["classes", [2, 2]],
      ["scores", [2, 2]],
    ]);
    expect(floatsIn(answer.outputs[1])).toEqual([0, 0.5, 1, 1.5]);
    expect(requests()[0]).toMatchObject({ task: "classify", inputs: [{ name: "inputs", shape: [2] }] });
  });

  test("Regress gives a value for each, under the signature that was named", async () => {
    const model = spec("tensorflow", { signature: "regress_x" });
    const message = encodeExamplesRequest({ model, examples });
    const answer = runNow(decodeRegressResponse(messageIn(await ask(`${PREDICTION}/Regress`, message))));
    expect(answer.model?.signature).toBe("regress_x");
    expect(floatsIn(answer.outputs[0])).toEqual([0, 0.5]);
    expect(requests()[0]).toMatchObject({ task: "regress", signature: "regress_x" });
  });

  test("a signature that is not there is INVALID_ARGUMENT here", async () => {
    const message = encodeExamplesRequest({ model: spec("half", { signature: "s" }), examples });
    expect((await ask(`${PREDICTION}/Classify`, message)).code).toBe(3);
  });

  test("MultiInference answers every task in its place", async () => {
    const tasks = [
      { model: spec("tensorflow", { signature: "r" }), method: "tensorflow/serving/regress" },
      { model: spec("tensorflow", { signature: "c" }), method: "tensorflow/serving/classify" },
    ];
    const results = decodeMultiResponse(
      messageIn(await ask(`${PREDICTION}/MultiInference`, encodeMultiRequest(tasks, examples))),
    );
    expect(results.map(({ task, model }) => [task, model?.signature, model?.version])).toEqual([
      ["regress", "r", 7n],
      ["classify", "c", 7n],
    ]);
    expect(results[0]).toMatchObject({ values: [0, 0.5] });
    expect(requests().map(({ task }) => task)).toEqual(["regress", "classify"]);
  });

  const task = (name: string, signature: string, method = "tensorflow/serving/regress") => ({
    model: spec(name, { signature }),
    method,
  });

  test.each([
    ["no tasks", [], 3],
    ["two models", [task("tensorflow", "a"), task("half", "b")], 3],
    ["one signature twice", [task("tensorflow", "a"), task("tensorflow", "a")], 3],
    ["another method", [task("tensorflow", "a", "tensorflow/serving/predict")], 12],
    ["a model that is not there", [task("nope", "")], 5],
  ] as const)("MultiInference refuses %s", async (_, tasks, code) => {
    expect((await ask(`${PREDICTION}/MultiInference`, encodeMultiRequest(tasks, examples))).code).toBe(code);
    expect(requests()).toHaveLength(0);
  });
});

describe("documents", () => {
  test("GetModelMetadata tells the model's own signature as serving_default", async () => {
    const message = encodeMetadataRequest(spec("half", { label: "stable" }));
    const told = decodeMetadata(messageIn(await ask(`${PREDICTION}/GetModelMetadata`, message)));
    expect([told.name, told.version, [...told.signatures.keys()]]).toEqual(["half", "2", ["serving_default"]]);
    expect(told.signatures.get("serving_default")).toMatchObject({
      inputs: [{ name: "x", dtype: "DT_FLOAT", shape: [-1] }],
      outputs: [{ name: "y", dtype: "DT_FLOAT", shape: [-1] }],
      method: "tensorflow/serving/predict",
    });
  });

  test.each([
    ["a model that is not there", encodeMetadataRequest(spec("nope")), 5],
    ["a label that is not there", encodeMetadataRequest(spec("half", { label: "x" })), 3],
    ["no field", encodeStatusRequest(spec("half")), 3],
  ])("GetModelMetadata refuses %s", async (_, message, code) => {
    expect((await ask(`${PREDICTION}/GetModelMetadata`, message)).code).toBe(code);
  });

  test("GetModelStatus tells the versions, newest first, whatever the label", async () => {
    const status = async (model: ModelSpec) =>
      decodeStatus(messageIn(await ask(`${MODELS}/GetModelStatus`, encodeStatusRequest(model))));
    const one = (version: string) => ({ version, state: "AVAILABLE", message: "" });
    expect(await status(spec("half"))).toEqual([one("3"), one("2"), one("1")]);
    expect(await status(spec("half", { label: "x" }))).toEqual([one("3"), one("2"), one("1")]);
    expect(await status(spec("half", { version: 1n }))).toEqual([one("1")]);
    expect(await status(spec("slow"))).toEqual([{ version: "1", state: "LOADING", message: "still loading" }]);
  });

  test("GetModelStatus of what is not there is NOT_FOUND", async () => {
    const told = async (model: ModelSpec) => {
      const { code, details } = await ask(`${MODELS}/GetModelStatus`, encodeStatusRequest(model));
      return `${code} ${details}`;
    };
    expect(await told(spec("nope"))).toBe("5 Could not find any versions of model nope");
    expect(await told(spec("half", { version: 9n }))).toBe("5 Could not find version 9 of model half");
  });

  test("versions that are no numbers have no place in a status, and an answer does not name them", async () => {
    rows.fake.put("named", "2024-05", {
      service: async ({ inputs }) => ({
        kind: "whole",
        model: { name: "named", version: "2024-05" },
        outputs: inputs,
        parameters: new Map(),
      }),
    });
    const { code } = await ask(`${MODELS}/GetModelStatus`, encodeStatusRequest(spec("named")));
    expect(code).toBe(5);
    const { model } = runNow(decodeResponse(messageIn(await predict(spec("named"))), MAX));
    expect(model).toEqual({ name: "named", signature: "serving_default" });
  });

  test("a new config of models is refused", async () => {
    expect((await ask(`${MODELS}/HandleReloadConfigRequest`, new Uint8Array(0))).code).toBe(12);
  });
});
