// Large bodies lie in memory that is used again for the next ones: every caller, shadow, batch and cache sees its own bytes all the same.

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { onnx } from "../../../backends/onnx/onnx.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { binaryBody, plain, readInfer } from "../../support/gateway-oip.ts";
import { openRepository, type TestRepository } from "../../support/onnx-repository.ts";

let repository: TestRepository;
let gateway: TestGateway;

beforeAll(async () => {
  repository = await openRepository();
  await repository.put("m", "1", "times_2");
  await repository.put("m", "2", "times_2");
  gateway = await startGateway({
    kinds: [onnx],
    yaml: `
backends:
  local: {kind: onnx, repository: "${repository.root}", workers: 2}
  child: {kind: onnx, repository: "${repository.root}", workers: 1, isolation: process}
models:
  bare: {backend: local, model: m}
  child: {backend: child, model: m}
  shadowed: {backend: local, model: m, route: {shadow: {to: "2", share: 100%, of: "1", compare: {exact: true}}}}
  batched: {backend: local, model: m, batch: {maxRows: 200000, maxBytes: 64MiB}}
  kept: {backend: local, model: m, cache: {ttl: 1m}}
`,
  });
});
afterAll(async () => {
  await gateway.close();
  await repository.close();
});

const FLOATS = 40_000;
const ROUNDS = 12;

/** Asks for twice a value that no other request has, in a body of several pieces. */
async function ask(model: string, value: number): Promise<void> {
  const values = Array.from({ length: FLOATS }, (_, i) => value + (i % 7));
  const { body, headers } = binaryBody([plain("x", "FP32", [FLOATS], values)]);
  const answer = readInfer(await gateway.ask({ path: `/v2/models/${model}/infer`, body, headers }));
  const data = answer.outputs[0]?.data ?? new Uint8Array(0);
  const floats = new Float32Array(new Uint8Array(data).buffer);
  expect(floats.length).toBe(FLOATS);
  const wrong = floats.findIndex((float, i) => float !== 2 * (value + (i % 7)));
  expect({ model, value, wrong }).toEqual({ model, value, wrong: -1 });
}

test("callers of every kind of model at once each have the answer to their own tensor", async () => {
  const models = ["bare", "child", "shadowed", "batched", "kept"];
  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.all(
      models.flatMap((model, m) => [0, 1, 2].map((n) => ask(model, 10_000 * (m + 1) + 100 * round + 10 * n))),
    );
  }
  await vi.waitFor(async () => {
    const metrics = await gateway.metrics();
    const results = (result: string) => metrics.sum("sluice_shadow_requests_total", { model: "shadowed", result });
    expect([results("same"), metrics.sum("sluice_shadow_requests_total", { model: "shadowed" })]).toEqual([
      3 * ROUNDS,
      3 * ROUNDS,
    ]);
  });
});

test("a kept answer is found again by the same tensor after other bodies have lain where it lay", async () => {
  await ask("kept", 77);
  for (let n = 0; n < 5; n += 1) await ask("bare", 1000 + n);
  const before = (await gateway.metrics()).sum("sluice_cache_requests_total", { model: "kept", state: "hit" });
  await ask("kept", 77);
  expect((await gateway.metrics()).sum("sluice_cache_requests_total", { model: "kept", state: "hit" })).toBe(
    before + 1,
  );
});
