// What is counted of each version: requests above the layers, executions below them.

import { beforeEach, expect, test } from "vitest";
import { openCall } from "../../../core/call.ts";
import { InferError } from "../../../core/error.ts";
import type { ModelMetadata } from "../../../core/model.ts";
import type { InferRequest, Reply } from "../../../core/request.ts";
import { type Layer, stack } from "../../../core/service.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import type { CacheState } from "../../../core/trace.ts";
import { openStatistics, type Statistics } from "../../../gateway/statistics.ts";
import { type FakeEnv, fakeEnv } from "../../support/fake-env.ts";
import { requestFor, wholeReply } from "../../support/scripted.ts";

const MODEL = { name: "m", version: "1" };
const metadata: ModelMetadata = {
  ...MODEL,
  versions: ["1"],
  platform: "",
  stateful: false,
  inputs: [],
  outputs: [],
  batchDim: 0,
};
let env: FakeEnv;
let statistics: Statistics;
beforeEach(() => {
  env = fakeEnv();
  statistics = openStatistics(env.clock);
});

function rows(count: number): InferRequest {
  const data = new Uint8Array(count);
  return requestFor("m", { inputs: [{ name: "x", datatype: "UINT8", shape: [count, 1], data }] });
}

/** The version's way: what is counted, with a layer between and a model below. */
function service(
  between: readonly Layer[],
  model: (request: InferRequest) => Promise<Reply>,
  told: Partial<ModelMetadata> = {},
) {
  const counted = statistics.of(MODEL, async () => ({ ...metadata, ...told }));
  const below = stack([counted.executions], async (request, call) => {
    env.clock.advance(10);
    call.trace.learn({ queuedMs: 4, ranMs: 5 });
    return model(request);
  });
  const infer = stack([counted.requests, ...between], below);
  return async (request: InferRequest, cache?: CacheState) => {
    const call = openCall({ id: "r", traceparent: "t", clock: env.clock, protocol: "test" });
    if (cache !== undefined) call.trace.learn({ cache });
    return infer(request, call);
  };
}

const ok = async () => wholeReply("m", "1");
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test("requests, rows, executions and times of answers", async () => {
  const ask = service([], ok);
  await ask(rows(3));
  await ask(rows(1));
  await settle();
  const told = statistics.read(MODEL);
  expect(told).toMatchObject({
    ...MODEL,
    inferences: 4,
    executions: 2,
    lastInferenceMs: Math.round(env.clock.wall() - 10),
  });
  expect([told.success, told.queue, told.compute, told.fail]).toEqual([
    { count: 2, ns: 20_000_000 },
    { count: 2, ns: 8_000_000 },
    { count: 2, ns: 10_000_000 },
    { count: 0, ns: 0 },
  ]);
  expect([...told.batches]).toEqual([
    [1, { count: 1, ns: 5_000_000 }],
    [3, { count: 1, ns: 5_000_000 }],
  ]);
});

test("a model without rows is asked for one item, whatever its shapes", async () => {
  const { batchDim: _, ...flat } = metadata;
  const counted = statistics.of(MODEL, async () => flat);
  const infer = stack([counted.requests, counted.executions], ok);
  await infer(rows(7), openCall({ id: "r", traceparent: "t", clock: env.clock, protocol: "test" }));
  await settle();
  expect(statistics.read(MODEL)).toMatchObject({ inferences: 1, executions: 1 });
});

test("a hit of the cache is a success that the model knows nothing of", async () => {
  const hit: Layer = () => ok;
  const ask = service([hit], ok);
  await ask(rows(2), "hit");
  await settle();
  expect(statistics.read(MODEL)).toMatchObject({
    inferences: 0,
    executions: 0,
    success: { count: 1 },
    cacheHit: { count: 1 },
    queue: { count: 0 },
    compute: { count: 0 },
  });
  await service([], ok)(rows(2), "miss");
  await settle();
  expect(statistics.read(MODEL)).toMatchObject({ inferences: 2, cacheHit: { count: 1 }, cacheMiss: { count: 1 } });
});

test("rows that were kept are no inferences", async () => {
  const before = statistics.read(MODEL).inferences;
  const some: Layer = (next) => async (_request, call) => {
    call.trace.learn({ askedRows: 1 });
    return next(rows(1), call);
  };
  await service([some], ok)(rows(3), "miss");
  await settle();
  expect(statistics.read(MODEL).inferences - before).toBe(1);
});

test("a request that is wrong in itself is not counted, and one that the backend fails is a failure", async () => {
  await expect(service([], () => Promise.reject(new InferError("invalid-argument", "no")))(rows(1))).rejects.toThrow();
  await expect(service([], () => Promise.reject(new InferError("unavailable", "no")))(rows(1))).rejects.toThrow();
  expect(statistics.read(MODEL)).toMatchObject({
    success: { count: 0 },
    fail: { count: 1 },
    executions: 0,
    inferences: 0,
  });
});

test("a stream is counted when it has ended, with all of its time", async () => {
  const parts = async function* () {
    yield wholeReply("m", "1");
    env.clock.advance(90);
    yield wholeReply("m", "1", { parameters: NO_PARAMETERS });
  };
  const reply = await service([], async () => ({ kind: "stream", parts: parts() }))(rows(1));
  expect(statistics.read(MODEL).success.count).toBe(0);
  if (reply.kind !== "stream") throw new Error("expected a stream");
  for await (const _ of reply.parts);
  expect(statistics.read(MODEL).success).toEqual({ count: 1, ns: 100_000_000 });
});

test("a version that nobody has asked is all zeros", () => {
  expect(statistics.read({ name: "n", version: "9" })).toMatchObject({
    name: "n",
    version: "9",
    lastInferenceMs: 0,
    executions: 0,
  });
});
