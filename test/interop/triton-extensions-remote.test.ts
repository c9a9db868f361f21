// Triton's extensions asked of the gateway when the models run on a real Triton.

import { expect, test, vi } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { startTriton } from "./servers/triton.ts";
import { realServer } from "./support/suite.ts";
import { isMissing, type Missing } from "./support/venv.ts";

interface Through {
  readonly gateway: TestGateway;
  close(): Promise<void>;
}

async function start(): Promise<Through | Missing> {
  const triton = await startTriton({ models: ["add_sub", "stream", "batched", "sum"] });
  if (isMissing(triton)) return triton;
  const yaml = `triton: {control: true}\nbackends: {remote: {kind: triton, endpoints: ["127.0.0.1:${triton.grpc}"], protocol: grpc}}`;
  const gateway = await startGateway({ yaml, kinds: backendKinds });
  const isReady = async () => expect((await gateway.ask({ path: "/v2/models/add_sub/ready" })).status).toBe(200);
  await vi.waitFor(isReady, { timeout: 20_000, interval: 100 });
  return {
    gateway,
    async close() {
      await gateway.close();
      await triton.close();
    },
  };
}

realServer("triton behind the gateway", start, (through) => {
  const get = async (path: string) => JSON.parse((await through().gateway.ask({ path })).body.toString());
  const post = async (path: string, value: unknown = {}) => {
    const answer = await through().gateway.ask({ method: "POST", path, body: JSON.stringify(value) });
    return { status: answer.status, text: answer.body.toString() };
  };
  const row = Array.from({ length: 16 }, (_, i) => i);
  const sum = {
    inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "INT32", shape: [1, 16], data: row })),
    outputs: [{ name: "OUTPUT0", parameters: { classification: 2 } }],
  };

  test("a config is Triton's own", async () => {
    expect(await get("/v2/models/add_sub/config")).toMatchObject({
      name: "add_sub",
      backend: "python",
      max_batch_size: 0,
    });
    expect((await get("/v2/models/batched/config")).dynamic_batching).toBeDefined();
  });

  test("classes are made, by Triton or here, and counted as one request", async () => {
    const { status, text } = await post("/v2/models/add_sub/infer", sum);
    expect([status, JSON.parse(text).outputs?.[0]]).toEqual([
      200,
      { name: "OUTPUT0", datatype: "BYTES", shape: [2], data: ["30:15", "28:14"] },
    ]);
    const [stats] = (await get("/v2/models/add_sub/stats")).model_stats;
    expect(stats).toMatchObject({ inference_count: 1, execution_count: 1, inference_stats: { success: { count: 1 } } });
    expect(stats.inference_stats.compute_infer.ns).toBeGreaterThan(0);
  });

  test("a model is unloaded and loaded on the server", async () => {
    const ready = async () => (await through().gateway.ask({ path: "/v2/models/batched/ready" })).status;
    expect(await post("/v2/repository/models/batched/unload")).toEqual({ status: 200, text: "" });
    await expect.poll(ready, { timeout: 20_000 }).not.toBe(200);
    expect(await post("/v2/repository/models/batched/load")).toEqual({ status: 200, text: "" });
    await expect.poll(ready, { timeout: 20_000 }).toBe(200);
  });

  test("a decoupled model streams its answers as events", async () => {
    const { inputs } = await get("/v2/models/stream");
    const body = Object.fromEntries(inputs.map(({ name }: { name: string }) => [name, 2]));
    const { status, text } = await post("/v2/models/stream/generate_stream", body);
    expect([status, text.split("\n\n").filter((event) => event.startsWith("data: {")).length]).toEqual([200, 2]);
    expect(text).not.toContain("error");
  });

  test("a sequence keeps its state, and one without a start is refused", async () => {
    const ask = async (parameters: object, value: number) => {
      const inputs = [{ name: "value", datatype: "INT32", shape: [1, 1], data: [value] }];
      const { status, text } = await post("/v2/models/sum/infer", { inputs, parameters });
      return status === 200 ? JSON.parse(text).outputs[0].data[0] : [status, text];
    };
    expect(await ask({ sequence_id: 5, sequence_start: true }, 3)).toBe(3);
    expect(await ask({ sequence_id: 5 }, 4)).toBe(7);
    expect(await ask({ sequence_id: 5, sequence_end: true }, 5)).toBe(12);
    expect(await ask({ sequence_id: 5 }, 1)).toEqual([400, expect.stringContaining("must specify the START flag")]);
  });
});
