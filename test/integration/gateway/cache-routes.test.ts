// The cache below a route: what the route chose has answers of its own, and everything that counts requests counts each.

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { onnx } from "../../../backends/onnx/onnx.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { jsonBody, plain } from "../../support/gateway-oip.ts";
import { openRepository, type TestRepository } from "../../support/onnx-repository.ts";

let repository: TestRepository;
let gateway: TestGateway;

beforeAll(async () => {
  repository = await openRepository();
  await repository.put("m", "1", "times_2");
  await repository.put("m", "2", "times_3");
  gateway = await startGateway({
    kinds: [onnx],
    yaml: `
exposures: {to: {file: ${JSON.stringify(`${repository.root}/exposures.jsonl`)}}, every: 10ms}
backends: {local: {kind: onnx, repository: "${repository.root}", workers: 1}}
models:
  tried:
    backend: local
    model: m
    route: {ab: {name: factor, unit: {header: x-user}, variants: {two: {to: "1", percent: 50}, three: {to: "2", percent: 50}}}}
    cache: {rows: true}
  canary: {backend: local, model: m, route: {canary: {candidate: "2", percent: 30, stable: "1", unit: {header: x-user}}}, cache: true}
  shadowed: {backend: local, model: m, route: {shadow: {to: "2", share: 100%, of: "1"}}, cache: true}
`,
  });
});
afterAll(async () => {
  await gateway.close();
  await repository.close();
});

const USERS = 40;
const TIMES = 3;

/** What all users saw who asked the same several times, and how often each answer was what. */
async function asked(model: string, values: readonly number[], user = "user") {
  const { body, headers } = jsonBody([plain("x", "FP32", [values.length], values)]);
  const states = new Map<string, number>();
  const factors = new Map<number, Set<number>>();
  for (let n = 0; n < USERS * TIMES; n += 1) {
    const one = n % USERS;
    const answer = await gateway.ask({
      path: `/v2/models/${model}/infer`,
      body,
      headers: { ...headers, "x-user": `${user} ${one}` },
    });
    const { outputs, model_version: version } = answer.json<{
      outputs: readonly { data: readonly number[] }[];
      model_version: string;
    }>();
    const data = outputs[0]?.data ?? [];
    const factor = (data[0] ?? 0) / (values[0] ?? 1);
    // version 1 doubles, version 2 triples
    expect(data).toEqual(values.map((value) => value * (Number(version) + 1)));
    factors.set(one, (factors.get(one) ?? new Set()).add(factor));
    const state = `${answer.headers["sluice-cache"]}`;
    states.set(state, (states.get(state) ?? 0) + 1);
  }
  return { states: Object.fromEntries(states), factors: [...factors.values()].map((seen) => [...seen]) };
}

async function requests(model: string): Promise<number> {
  const stats = await gateway.ask({ path: `/v2/models/${model}/stats` });
  return stats
    .json<{ model_stats: readonly { inference_stats: { success: { count: number } } }[] }>()
    .model_stats.reduce((sum, { inference_stats }) => sum + inference_stats.success.count, 0);
}

test.each([
  ["tried", [1]],
  ["tried", [5, 6, 7]],
  ["canary", [1]],
] as const)(
  "a question of two versions of %s is computed once by each, and every request is counted",
  async (model, values) => {
    const before = await requests(model);
    const { states, factors } = await asked(model, values);
    expect(states).toEqual({ miss: 2, hit: USERS * TIMES - 2 });
    // each user has one version for good, and both have users
    expect(factors.every((seen) => seen.length === 1)).toBe(true);
    expect(new Set(factors.flat())).toEqual(new Set([2, 3]));
    expect((await requests(model)) - before).toBe(USERS * TIMES);
  },
);

test("each user of a hit is exposed, and a shadow has each request, hits too", async () => {
  const count = async (name: string, labels: Readonly<Record<string, string>>) =>
    (await gateway.metrics()).sum(name, labels);
  const before = await count("sluice_exposures_total", { experiment: "factor" });
  // nobody of these was seen before, and only the first of either version is a miss
  await asked("tried", [11], "new");
  expect((await count("sluice_exposures_total", { experiment: "factor" })) - before).toBe(USERS);
  const { body, headers } = jsonBody([plain("x", "FP32", [1], [12])]);
  for (let n = 0; n < 10; n += 1) await gateway.ask({ path: "/v2/models/shadowed/infer", body, headers });
  await vi.waitFor(async () => {
    expect(await count("sluice_shadow_requests_total", { model: "shadowed", result: "different" })).toBe(10);
  });
});
