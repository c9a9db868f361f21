// One cache behind every front, over a real gateway with a real model: who shares, what answers say, and what a purge and another file do.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { onnx } from "../../../backends/onnx/onnx.ts";
import type { Tensor } from "../../../core/tensor.ts";
import { main } from "../../../gateway/cli.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { type GrpcCaller, grpcCaller, inferAnswer, inferMessage } from "../../support/gateway-grpc.ts";
import { binaryBody, jsonBody, plain } from "../../support/gateway-oip.ts";
import { PREDICT, writePredict } from "../../support/matrix-grpc.ts";
import { openRepository, type TestRepository } from "../../support/onnx-repository.ts";

let repository: TestRepository;
let gateway: TestGateway;
let grpc: GrpcCaller;

beforeAll(async () => {
  repository = await openRepository();
  await repository.put("m", "1", "times_2");
  await repository.put("other", "1", "times_2");
  gateway = await startGateway({
    kinds: [onnx],
    yaml: `
tenant: {header: x-tenant, trusted: true}
backends: {local: {kind: onnx, repository: "${repository.root}", workers: 1}}
models:
  m: {backend: local, cache: {maxBytes: 1MiB}}
  same: {backend: local, model: m, cache: true}
  by_tenant: {backend: local, model: m, cache: {by: tenant}}
  other: {backend: local, cache: true}
  plain: {backend: local, model: other}
`,
  });
  grpc = grpcCaller(gateway.grpcPort);
});
afterAll(async () => {
  grpc.close();
  await gateway.close();
  await repository.close();
});

interface Seen {
  readonly values: readonly number[];
  readonly state: string | undefined;
  readonly age: string | undefined;
}

type Front = (model: string, values: readonly number[], headers?: Readonly<Record<string, string>>) => Promise<Seen>;

const over = (values: unknown, headers: { readonly [name: string]: unknown }): Seen => ({
  values: values as readonly number[],
  state: headers["sluice-cache"] as string | undefined,
  age: headers.age as string | undefined,
});

const floats = (name: string, values: readonly number[]): Tensor => {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return { name, datatype: "FP32", shape: [values.length], data };
};

const rest =
  (form: typeof jsonBody): Front =>
  async (model, values, headers = {}) => {
    const { body, headers: own } = form([plain("x", "FP32", [values.length], values)]);
    const answer = await gateway.ask({ path: `/v2/models/${model}/infer`, body, headers: { ...own, ...headers } });
    const length = Number(answer.headers["inference-header-content-length"] ?? answer.body.byteLength);
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
    const head = JSON.parse(`${answer.body.subarray(0, length)}`) as {
      outputs: readonly { data?: readonly number[] }[];
    };
    const raw = Uint8Array.from(answer.body.subarray(length));
    return over(head.outputs[0]?.data ?? [...new Float32Array(raw.buffer)], answer.headers);
  };

const overGrpc =
  (contents: "raw" | "typed"): Front =>
  async (model, values, metadata = {}) => {
    const message = inferMessage({ model, id: "mine", contents, inputs: [floats("x", values)] });
    const { messages, head } = await grpc.ask({ method: "ModelInfer", messages: [message], metadata });
    const { outputs, id } = inferAnswer(messages[0]);
    expect(id).toBe("mine");
    return over([...new Float32Array(Uint8Array.from(outputs[0]?.data ?? []).buffer)], head);
  };

const tfs: Front = async (model, values, headers = {}) => {
  const body = JSON.stringify({ inputs: values });
  const answer = await gateway.ask({ path: `/v1/models/${model}/versions/1:predict`, body, headers });
  return over(answer.json<{ outputs: readonly number[] }>().outputs, answer.headers);
};

const tfsGrpc: Front = async (model, values, metadata = {}) => {
  const tensor: Tensor = floats("x", values);
  const message = writePredict({ ...tensor, tokens: values.map(String) } as never, model, "content");
  const { head, code } = await grpc.ask({ method: PREDICT.path, messages: [message], metadata });
  expect(code).toBe(0);
  return over(undefined, head);
};

const FRONTS: readonly (readonly [string, Front])[] = [
  ["REST JSON", rest(jsonBody)],
  ["REST binary", rest(binaryBody)],
  ["gRPC raw", overGrpc("raw")],
  ["gRPC typed", overGrpc("typed")],
  ["TF Serving REST", tfs],
  ["TF Serving gRPC", tfsGrpc],
];

const runs = async (model: string) => (await gateway.metrics()).sum("sluice_run_duration_seconds_count", { model });

describe("the same tensors", () => {
  test.each(FRONTS.map(([name, ask], i) => [name, ask, i] as const))(
    "asked first over %s are known over every front",
    async (_name, ask, i) => {
      const values = [100 + i, 7];
      const before = await runs("m");
      expect(await ask("m", values)).toMatchObject({ state: "miss" });
      for (const [, other] of FRONTS) {
        const seen = await other("m", values);
        expect(seen).toMatchObject({ state: "hit", age: "0" });
        if (seen.values !== undefined) expect([...seen.values]).toEqual(values.map((value) => 2 * value));
      }
      expect((await runs("m")) - before).toBe(1);
    },
  );

  test("asked of another model are another question, though the files are the same", async () => {
    const [, json] = FRONTS[0] as (typeof FRONTS)[number];
    await json("m", [1]);
    expect(await json("same", [1])).toMatchObject({ state: "miss", values: [2] });
    expect(await json("plain", [1])).toMatchObject({ state: undefined, age: undefined });
  });

  test("asked at once by 200 callers are one run", async () => {
    const [, json] = FRONTS[0] as (typeof FRONTS)[number];
    const before = await runs("m");
    const seen = await Promise.all(Array.from({ length: 200 }, () => json("m", [31_337])));
    expect(seen.every(({ values }) => values[0] === 62_674)).toBe(true);
    expect((await runs("m")) - before).toBe(1);
  });
});

describe("a caller", () => {
  const [, json] = FRONTS[0] as (typeof FRONTS)[number];

  test("may pass the cache by, have a new answer, or none but a kept one", async () => {
    await json("m", [5]);
    expect(await json("m", [5], { "cache-control": "no-store" })).toMatchObject({ state: "bypass" });
    expect(await json("m", [5], { "cache-control": "no-cache" })).toMatchObject({ state: "miss" });
    expect(await json("m", [5], { "cache-control": "only-if-cached" })).toMatchObject({ state: "hit" });
    const { body, headers } = jsonBody([plain("x", "FP32", [1], [6])]);
    const only = { ...headers, "cache-control": "only-if-cached" };
    const answer = await gateway.ask({ path: "/v2/models/m/infer", body, headers: only });
    expect(answer.status).toBe(504);
  });

  test("of gRPC may wish as much by metadata, and sees what was done", async () => {
    const [, raw] = FRONTS[2] as (typeof FRONTS)[number];
    expect(await raw("m", [55])).toMatchObject({ state: "miss", values: [110] });
    expect(await raw("m", [55], { "cache-control": "no-store" })).toMatchObject({ state: "bypass", values: [110] });
    expect(await raw("m", [55], { "cache-control": "no-cache" })).toMatchObject({ state: "miss", values: [110] });
    expect(await raw("m", [55], { "cache-control": "only-if-cached" })).toMatchObject({ state: "hit", values: [110] });
  });

  test("may say so by the parameter sluice_cache, which is no part of the question", async () => {
    await json("m", [8]);
    const ask = async (wish: unknown) => {
      const inputs = [{ name: "x", datatype: "FP32", shape: [1], data: [8] }];
      const body = JSON.stringify({ inputs, parameters: { sluice_cache: wish } });
      return gateway.ask({ path: "/v2/models/m/infer", body });
    };
    expect((await ask("no-store")).headers["sluice-cache"]).toBe("bypass");
    expect((await ask("only-if-cached")).headers["sluice-cache"]).toBe("hit");
    expect((await ask("never")).json().error).toBe(
      'parameter sluice_cache: expected no-cache, no-store, only-if-cached, got "never"',
    );
  });

  test("cannot poison another's answer by headers, ids or members that nobody reads", async () => {
    const inputs = [{ name: "x", datatype: "FP32", shape: [1], data: [9] }];
    const ask = (beside: object, headers: Readonly<Record<string, string>> = {}) =>
      gateway.ask({ path: "/v2/models/m/infer", body: JSON.stringify({ inputs, ...beside }), headers });
    const first = await ask({ id: "evil" }, { "x-request-id": "evil", "x-forwarded-host": "evil", host: "evil" });
    expect(first.headers["sluice-cache"]).toBe("miss");
    const second = await ask({ id: "good" }, { "x-request-id": "good" });
    expect(second.headers).toMatchObject({ "sluice-cache": "hit", "x-request-id": "good" });
    expect(second.json<{ id: string }>().id).toBe("good");
    expect(`${second.body}`).not.toContain("evil");
    // deadlines, priorities and trace contexts are each caller's own: no question differs by them, and each gets its own back
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const third = await ask(
      { parameters: { timeout: 20_000_000, priority: 2 } },
      { traceparent, "x-request-timeout-ms": "30000", "user-agent": "another" },
    );
    expect(third.headers).toMatchObject({ "sluice-cache": "hit", traceparent });
    expect(third.headers["x-request-id"]).not.toMatch(/evil|good/);
    // a parameter that the model may read is a part of the question
    expect((await ask({ parameters: { smuggled: 1 } })).headers["sluice-cache"]).toBe("miss");
  });

  test("of one tenant never gets another's answer where the cache is by tenant", async () => {
    expect(await json("by_tenant", [3], { "x-tenant": "a" })).toMatchObject({ state: "miss" });
    expect(await json("by_tenant", [3], { "x-tenant": "b" })).toMatchObject({ state: "miss" });
    expect(await json("by_tenant", [3], { "x-tenant": "a" })).toMatchObject({ state: "hit" });
    expect(await json("by_tenant", [3])).toMatchObject({ state: "bypass" });
  });
});

describe("an operator", () => {
  const [, json] = FRONTS[0] as (typeof FRONTS)[number];

  test("forgets answers by sluice cache purge", async () => {
    await json("m", [77]);
    await json("same", [77]);
    const lines: string[] = [];
    const io = { out: (text: string) => lines.push(text), err: (text: string) => lines.push(text), env: {} };
    const url = `http://127.0.0.1:${gateway.adminPort}`;
    expect(await main(["cache", "purge", "same", "--url", url], io as never)).toBe(0);
    expect(lines.join("")).toMatch(/^purged: \d+ answers? of this process's memory\n$/);
    expect(await json("same", [77])).toMatchObject({ state: "miss" });
    expect(await json("m", [77])).toMatchObject({ state: "hit" });
    expect(await main(["cache", "purge", "plain", "--url", url], io as never)).toBe(1);
    expect(lines.at(-1)).toBe('sluice: model "plain" has no cache (404)\n');
  });

  test("overwrites model.onnx in place, and no answer of the old file is given again", async () => {
    expect(await json("other", [10])).toMatchObject({ state: "miss", values: [20] });
    expect(await json("other", [10])).toMatchObject({ state: "hit", values: [20] });
    await repository.put("other", "1", "times_3");
    const deadline = performance.now() + 20_000;
    const { body, headers } = jsonBody([plain("x", "FP32", [1], [11])]);
    const isNew = async () => {
      const answer = await gateway.ask({ path: "/v2/models/plain/infer", body, headers });
      return answer.json<{ outputs: readonly { data: readonly number[] }[] }>().outputs[0]?.data[0] === 33;
    };
    while (!(await isNew())) if (performance.now() > deadline) throw new Error("the file was not loaded in 20 s");
    expect(await json("other", [10])).toMatchObject({ state: "miss", values: [30] });
    // the old file once more: its answers were true of it
    await repository.put("other", "1", "times_2");
    while (await isNew()) if (performance.now() > deadline) throw new Error("the file was not loaded in 20 s");
    expect(await json("other", [10])).toMatchObject({ state: "hit", values: [20] });
  });

  test("sees what the cache did and holds", async () => {
    const metrics = await gateway.metrics();
    expect(metrics.sum("sluice_cache_requests_total", { model: "m", state: "hit" })).toBeGreaterThan(30);
    expect(metrics.sum("sluice_cache_bytes", { model: "m" })).toBeGreaterThan(1_000);
    expect(metrics.sum("sluice_cache_entries", { model: "m" })).toBeGreaterThan(5);
    const statistics = await gateway.ask({ path: "/v2/models/m/stats" });
    const {
      model_stats: [stats],
    } = statistics.json<{
      model_stats: readonly { inference_stats: { cache_hit: { count: number }; cache_miss: { count: number } } }[];
    }>();
    expect(stats?.inference_stats.cache_hit.count).toBeGreaterThan(30);
    expect(stats?.inference_stats.cache_miss.count).toBeGreaterThan(5);
  });

  test("forgets the answers of one tenant by --tenant, and all of every model where none is named", async () => {
    const [acme, other] = [{ "x-tenant": "acme" }, { "x-tenant": "other" }];
    const io = { out: () => {}, err: () => {}, env: {} };
    const purge = (...words: readonly string[]) =>
      main(["cache", "purge", ...words, "--url", `http://127.0.0.1:${gateway.adminPort}`], io as never);
    for (const tenant of [acme, other]) await json("by_tenant", [78], tenant);
    await json("m", [78]);
    expect(await purge("by_tenant", "--tenant", "acme")).toBe(0);
    expect(await json("by_tenant", [78], acme)).toMatchObject({ state: "miss" });
    expect(await json("by_tenant", [78], other)).toMatchObject({ state: "hit" });
    expect(await purge()).toBe(0);
    expect(await json("by_tenant", [78], acme)).toMatchObject({ state: "miss" });
    expect(await json("by_tenant", [78], other)).toMatchObject({ state: "miss" });
    expect(await json("m", [78])).toMatchObject({ state: "miss" });
  });
});

test("a model that draws random numbers refuses a cache at the start", async () => {
  const own = await openRepository();
  try {
    await own.put("noise", "1", "random");
    const yaml = (words: string) =>
      `backends: {local: {kind: onnx, repository: "${own.root}", workers: 1}}\nmodels: {noise: {backend: local${words}}}`;
    const first = await startGateway({ kinds: [onnx], yaml: yaml("") });
    try {
      const text = `${first.running.changes?.inForce().text}`.replace(
        "{backend: local}",
        "{backend: local, cache: true}",
      );
      const change = await first.running.changes?.put(text, { who: "test", why: "" });
      expect(change).toEqual({
        ok: false,
        reasons: [
          "models.noise.cache: expected a model with equal answers to equal questions, got version 1, which draws random numbers",
        ],
      });
    } finally {
      await first.close();
    }
  } finally {
    await own.close();
  }
});
