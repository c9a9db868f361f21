// A body that comes again is recalled in front of a real model: with shadows, callers who pass the cache by, and a purge.

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { onnx } from "../../../backends/onnx/onnx.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { ask as post } from "../../support/http-client.ts";
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
backends: {local: {kind: onnx, repository: "${repository.root}", workers: 1}}
models:
  shadowed: {backend: local, model: m, route: {shadow: {to: "2", share: 100%, of: "1"}}, cache: true}
  plain: {backend: local, model: m, cache: true}
  rows: {backend: local, model: m, cache: {rows: true}}
`,
  });
});
afterAll(async () => {
  await gateway.close();
  await repository.close();
});

const body = (values: readonly number[], more: object = {}) =>
  JSON.stringify({ inputs: [{ name: "x", datatype: "FP32", shape: [values.length], data: values }], ...more });

async function ask(model: string, text: string, headers: Readonly<Record<string, string>> = {}) {
  const answer = await gateway.ask({ path: `/v2/models/${model}/infer`, body: text, headers });
  expect([answer.status, `${answer.body}`]).toEqual([200, expect.any(String)]);
  const { outputs, id } = answer.json<{ outputs: readonly { data: readonly number[] }[]; id?: string }>();
  return { data: outputs[0]?.data, id, state: answer.headers["sluice-cache"] };
}

test("a shadow gets a whole copy of each request, recalled ones too", async () => {
  for (let n = 0; n < 5; n += 1) {
    expect(await ask("shadowed", body([1, 2]))).toMatchObject({ data: [2, 4], state: n === 0 ? "miss" : "hit" });
  }
  await vi.waitFor(async () => {
    const metrics = await gateway.metrics();
    expect(metrics.sum("sluice_shadow_requests_total", { model: "shadowed", result: "different" })).toBe(5);
    expect(metrics.sum("sluice_shadow_requests_total", { model: "shadowed" })).toBe(5);
  });
});

test("a caller who passes the cache by, or wants a new answer, has a recalled question computed", async () => {
  await ask("plain", body([5]));
  for (const [wish, state] of [
    ["no-store", "bypass"],
    ["no-cache", "miss"],
    ["only-if-cached", "hit"],
  ] as const) {
    expect(await ask("plain", body([5]), { "cache-control": wish })).toMatchObject({ data: [15], state });
  }
});

test("answers to one question in other words are its own: ids, order and form", async () => {
  const first = await ask("plain", body([6], { id: "a" }));
  expect(first).toMatchObject({ data: [18], id: "a", state: "miss" });
  for (let n = 0; n < 3; n += 1) {
    expect(await ask("plain", body([6], { id: "b" }))).toMatchObject({ data: [18], id: "b", state: "hit" });
    expect(await ask("plain", body([6], { id: "a" }))).toMatchObject({ data: [18], id: "a", state: "hit" });
  }
});

test("a hundred callers of a recalled question that was purged are one run", async () => {
  await ask("plain", body([7]));
  const purge = { port: gateway.adminPort, method: "POST", path: "/admin/cache/purge?model=plain" };
  expect((await post(purge)).status).toBe(200);
  const runs = async () => (await gateway.metrics()).sum("sluice_run_duration_seconds_count");
  const before = await runs();
  const seen = await Promise.all(Array.from({ length: 100 }, () => ask("plain", body([7]))));
  expect(seen.every(({ data }) => data?.[0] === 21)).toBe(true);
  expect((await runs()) - before).toBe(1);
});

test("rows of a recalled request are looked up one by one as those of any other", async () => {
  for (const [values, times] of [
    [[1, 2, 3], 3],
    [[3, 4], 3],
    [[9], 2],
  ] as const) {
    for (let n = 0; n < times; n += 1) {
      expect((await ask("rows", body(values))).data).toEqual(values.map((value) => 3 * value));
    }
  }
});
