// Triton's extensions over REST against the demo models: repository, config, statistics and settings.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backendKinds } from "../../../backends/registry.ts";
import { MODEL_CONFIG_ANSWER } from "../../../wire/oip-proto-config.ts";
import {
  CUDA_REGISTER,
  LOG_SETTINGS,
  MODEL_NAME,
  REGION_NAME,
  STATISTICS,
  TRACE_SETTING,
} from "../../../wire/oip-proto-service.ts";
import { plain as plainOf } from "../../../wire/protobuf-table.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { startDemo } from "../../support/gateway-demo.ts";
import { grpcCaller } from "../../support/gateway-grpc.ts";

let gateway: TestGateway;
let locked: TestGateway;
beforeAll(async () => {
  const yaml =
    "triton: {control: true}\nbackends: {local: {kind: onnx, repository: ./models, workers: 1, watch: false}}";
  gateway = await startGateway({ yaml, kinds: backendKinds });
  locked = await startDemo(", workers: 1, watch: false");
}, 60_000);
afterAll(async () => {
  await gateway.close();
  await locked.close();
});

async function get(path: string, at = gateway) {
  const { status, body } = await at.ask({ path });
  return { status, json: JSON.parse(body.toString()) };
}

async function post(path: string, value: unknown = undefined, at = gateway) {
  const body = value === undefined ? "" : JSON.stringify(value);
  const answer = await at.ask({ method: "POST", path, body });
  const text = answer.body.toString();
  return { status: answer.status, json: text === "" ? undefined : JSON.parse(text) };
}

const irisInputs = (rows: number) => ({
  inputs: [
    { name: "measurements", datatype: "FP32", shape: [rows, 4], data: Array.from({ length: rows * 4 }, (_, i) => i) },
  ],
});

describe("a model's config", () => {
  test("is made from its signature, dimensions without the rows'", async () => {
    const { status, json } = await get("/v2/models/iris/config");
    expect(status).toBe(200);
    expect(json).toMatchObject({ name: "iris", platform: "onnxruntime_onnx", max_batch_size: 1024 });
    expect(json.input).toMatchObject([{ name: "measurements", data_type: "TYPE_FP32", dims: [4], optional: false }]);
    expect(json.input.map((each: { name: string }) => each.name)).toEqual(["measurements"]);
  });

  test("of a model whose inputs have rows alone takes them for a dimension, as Triton must", async () => {
    const { json } = await get("/v2/models/language/config");
    expect([json.max_batch_size, json.input[0].data_type, json.input[0].dims]).toEqual([0, "TYPE_STRING", [-1]]);
  });

  test("of a model that nobody knows is not found", async () => {
    expect((await get("/v2/models/nobody/config")).status).toBe(404);
  });
});

describe("statistics", () => {
  test("count rows, requests and runs of a version, and no request that was wrong in itself", async () => {
    const before = (await get("/v2/models/iris/stats")).json.model_stats[0];
    expect(before).toMatchObject({
      name: "iris",
      version: "1",
      inference_count: 0,
      execution_count: 0,
      last_inference: 0,
    });
    await post("/v2/models/iris/infer", irisInputs(1));
    await post("/v2/models/iris/infer", irisInputs(3));
    expect((await post("/v2/models/iris/infer", { inputs: [] })).status).toBe(400);
    const [after] = (await get("/v2/models/iris/versions/1/stats")).json.model_stats;
    expect(after).toMatchObject({ inference_count: 4, execution_count: 2 });
    const { success, fail, queue, compute_input, compute_infer, compute_output } = after.inference_stats;
    expect([success, fail, queue, compute_input, compute_infer, compute_output].map(({ count }) => count)).toEqual([
      2, 0, 2, 2, 2, 2,
    ]);
    expect(success.ns).toBeGreaterThanOrEqual(queue.ns + compute_infer.ns);
    expect(compute_infer.ns).toBeGreaterThan(0);
    expect(after.batch_stats.map((each: { batch_size: number }) => each.batch_size)).toEqual([1, 3]);
    expect(after.last_inference).toBeGreaterThan(1e12);
  });

  test("of all models have every ready version, and those of an unknown model are refused", async () => {
    const { json } = await get("/v2/models/stats");
    expect(json.model_stats.map((one: { name: string; version: string }) => `${one.name} ${one.version}`)).toEqual([
      "add_sub 1",
      "digits 1",
      "digits 2",
      "iris 1",
      "language 1",
    ]);
    expect((await get("/v2/models/nobody/stats")).status).toBe(404);
  });
});

describe("the repository", () => {
  test("has an index of every version with its state", async () => {
    const { status, json } = await post("/v2/repository/index");
    expect(status).toBe(200);
    expect(json).toContainEqual({ name: "digits", version: "2", state: "READY" });
    expect((await post("/v2/repository/index", { ready: 1 })).status).toBe(400);
  });

  test("takes a model out of service and puts it back", async () => {
    expect(await post("/v2/repository/models/add_sub/unload", { parameters: { unload_dependents: false } })).toEqual({
      status: 200,
      json: undefined,
    });
    await expect
      .poll(async () => (await post("/v2/repository/index")).json, { timeout: 5000 })
      .toContainEqual({ name: "add_sub", version: "1", state: "UNAVAILABLE", reason: "unloaded" });
    expect((await get("/v2/models/add_sub/stats")).json.model_stats).toEqual([]);
    expect((await post("/v2/repository/models/add_sub/load", {})).status).toBe(200);
    expect((await get("/v2/models/add_sub/ready")).status).toBe(200);
  });

  test("refuses a config or files for a local model, and a model that is not there", async () => {
    const config = await post("/v2/repository/models/iris/load", { parameters: { config: "{}" } });
    expect(config).toMatchObject({ status: 400, json: { error: expect.stringContaining("failed to load 'iris'") } });
    const unknown = await post("/v2/repository/models/nobody/load");
    expect(unknown).toMatchObject({
      status: 404,
      json: { error: "failed to load 'nobody', it is not in the repository" },
    });
  });

  test("is not the clients' to change unless the config says so", async () => {
    for (const path of ["/v2/repository/models/iris/unload", "/v2/repository/models/iris/load", "/v2/logging"]) {
      expect(await post(path, {}, locked)).toMatchObject({
        status: 403,
        json: { error: expect.stringContaining("triton.control") },
      });
    }
    expect((await get("/v2/models/iris/ready", locked)).status).toBe(200);
  });
});

describe("settings", () => {
  test("of the log change its level", async () => {
    const silent = {
      log_file: "",
      log_info: false,
      log_warning: false,
      log_error: false,
      log_verbose_level: 0,
      log_format: "default",
    };
    expect((await get("/v2/logging")).json).toEqual(silent);
    const warned = { ...silent, log_warning: true, log_error: true };
    expect((await post("/v2/logging", { log_warning: true })).json).toEqual(warned);
    expect((await post("/v2/logging", { log_verbose_level: -1 })).status).toBe(400);
    expect((await post("/v2/logging", { log_file: "/tmp/x" })).status).toBe(400);
    expect((await get("/v2/logging")).json).toEqual(warned);
    await post("/v2/logging", { log_warning: false, log_error: false });
    expect((await get("/v2/logging")).json).toEqual(silent);
  });

  test("of traces are kept, for all and for one model, and taken back with null", async () => {
    expect((await get("/v2/trace/setting")).json).toMatchObject({ trace_level: ["OFF"], trace_rate: "1000" });
    const set = await post("/v2/models/iris/trace/setting", { trace_level: ["TIMESTAMPS"], trace_rate: "1" });
    expect(set.json).toMatchObject({ trace_level: ["TIMESTAMPS"], trace_rate: "1" });
    expect((await get("/v2/trace/setting")).json).toMatchObject({ trace_level: ["OFF"], trace_rate: "1000" });
    expect((await post("/v2/models/iris/trace/setting", { trace_level: null })).json).toMatchObject({
      trace_level: ["OFF"],
      trace_rate: "1",
    });
    expect((await get("/v2/models/nobody/trace/setting")).status).toBe(404);
    expect((await post("/v2/trace/setting", { nothing: "1" })).status).toBe(400);
  });
});

test("shared memory is off by default, and CUDA's always", async () => {
  const register = { key: "/k", offset: 0, byte_size: 8 };
  expect(await post("/v2/systemsharedmemory/region/r/register", register)).toMatchObject({
    status: 400,
    json: { error: expect.stringContaining("triton.sharedMemory") },
  });
  expect(await post("/v2/cudasharedmemory/region/r/register", {})).toMatchObject({
    status: 400,
    json: { error: expect.stringContaining("CUDA") },
  });
  expect((await post("/v2/cudasharedmemory/unregister")).status).toBe(200);
  expect((await post("/v2/systemsharedmemory/unregister")).status).toBe(200);
  expect((await get("/v2")).json.extensions).not.toContain("system_shared_memory");
});

describe("over gRPC", () => {
  const ask = async (method: string, message: Uint8Array, at = gateway) => {
    const caller = grpcCaller(at.grpcPort);
    const answer = await caller.ask({ method, messages: [message] });
    caller.close();
    return { code: answer.code, message: answer.messages[0] ?? new Uint8Array(0), details: answer.details };
  };

  test("a config has what clients read of it", async () => {
    const { code, message } = await ask("ModelConfig", MODEL_NAME.encode({ name: "digits", version: "1" }));
    const { config } = MODEL_CONFIG_ANSWER.decode(message);
    expect([code, config?.name, config?.max_batch_size, config?.platform]).toEqual([
      0,
      "digits",
      1024,
      "onnxruntime_onnx",
    ]);
    expect(config?.input.map(({ name, data_type, dims }) => [name, data_type, dims])).toEqual([
      ["image", "TYPE_FP32", [1n, 8n, 8n]],
    ]);
    expect((await ask("ModelConfig", MODEL_NAME.encode({ name: "nobody" }))).code).toBe(5);
  });

  test("statistics are those of REST", async () => {
    const { message } = await ask("ModelStatistics", MODEL_NAME.encode({ name: "iris" }));
    const told = plainOf(STATISTICS.decode(message)) as { readonly model_stats: readonly object[] };
    expect(told.model_stats).toEqual((await get("/v2/models/iris/stats")).json.model_stats);
    const all = STATISTICS.decode((await ask("ModelStatistics", MODEL_NAME.encode({}))).message);
    expect(all.model_stats.length).toBe(5);
  });

  test("settings are read and changed, where the config says so", async () => {
    const trace = TRACE_SETTING.encode({ settings: new Map([["trace_rate", { value: ["5"] }]]), model_name: "digits" });
    const { message } = await ask("TraceSetting", trace);
    expect(TRACE_SETTING.decode(message).settings.get("trace_rate")).toEqual({ value: ["5"] });
    const parameter = { bool_param: true, uint32_param: undefined, string_param: undefined };
    const log = LOG_SETTINGS.encode({ settings: new Map([["log_error", parameter]]) });
    expect(LOG_SETTINGS.decode((await ask("LogSettings", log)).message).settings.get("log_error")?.bool_param).toBe(
      true,
    );
    expect((await ask("LogSettings", log, locked)).code).toBe(7);
    expect((await ask("LogSettings", LOG_SETTINGS.encode({}), locked)).code).toBe(0);
    const quiet = { bool_param: false, uint32_param: undefined, string_param: undefined };
    await ask("LogSettings", LOG_SETTINGS.encode({ settings: new Map([["log_error", quiet]]) }));
  });

  test("CUDA's memory is refused and shared memory is off", async () => {
    expect((await ask("CudaSharedMemoryRegister", CUDA_REGISTER.encode({ name: "r" }))).code).toBe(12);
    expect((await ask("CudaSharedMemoryUnregister", REGION_NAME.encode({}))).code).toBe(0);
    expect((await ask("SystemSharedMemoryStatus", REGION_NAME.encode({}))).details).toContain("triton.sharedMemory");
  });
});
