// dynamic_batching of a config.pbtxt: the model's requests are joined by the gateway, unless the gateway's config says otherwise.

import { afterEach, beforeEach, expect, test } from "vitest";
import { backendKinds } from "../../../backends/registry.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { until } from "../../support/http-client.ts";
import { openRepository, type TestRepository } from "../../support/onnx-repository.ts";

let repository: TestRepository;
let gateway: TestGateway | undefined;
beforeEach(async () => {
  repository = await openRepository();
  await repository.put("m", "1", "times_2");
});
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
  await repository.close();
});

const TENSORS = `
max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } }
output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } }`;
const JOINED = "dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 500 }";

async function start(models = ""): Promise<TestGateway> {
  gateway = await startGateway({
    yaml: `backends: {local: {kind: onnx, repository: "${repository.root}", workers: 1}}\n${models}`,
    kinds: backendKinds,
  });
  return gateway;
}

async function double(...values: readonly number[]): Promise<unknown> {
  const input = { name: "x", shape: [values.length, 1], datatype: "FP32", data: values };
  const answer = await gateway?.ask({
    method: "POST",
    path: "/v2/models/m/infer",
    body: JSON.stringify({ inputs: [input] }),
  });
  const { outputs, error } = JSON.parse(`${answer?.body}`);
  return error ?? outputs[0].data;
}

const batches = async () => (await gateway?.metrics())?.sum("sluice_batch_requests_count");

test("a model whose config.pbtxt asks for it has its requests joined", async () => {
  await repository.write("m/config.pbtxt", `${TENSORS}\n${JOINED}`);
  await start();
  const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => double(i)));
  expect(answers).toEqual(Array.from({ length: 12 }, (_, i) => [2 * i]));
  expect(await batches()).toBeGreaterThan(0);
});

test("one that does not ask for it has not", async () => {
  await repository.write("m/config.pbtxt", TENSORS);
  await start();
  expect(await Promise.all([double(1), double(2)])).toEqual([[2], [4]]);
  expect(await batches()).toBe(0);
});

test("a config.pbtxt that is changed is heeded when the model is loaded again", async () => {
  await repository.write("m/config.pbtxt", TENSORS);
  await start();
  expect(await double(1)).toEqual([2]);
  await repository.write("m/config.pbtxt", `${TENSORS}\n${JOINED}`);
  await until(async () => {
    expect(await double(3)).toEqual([6]);
    return (await batches()) !== 0;
  });
});

test("what the gateway's config says of batch goes before it", async () => {
  await repository.write("m/config.pbtxt", `${TENSORS}\n${JOINED}`);
  await start("models: {m: {backend: local, batch: {maxRows: 2}}}");
  expect(await double(1, 2, 3, 4)).toEqual([2, 4, 6, 8]);
  // split by twos
  expect((await gateway?.metrics())?.sum("sluice_batch_rows_sum")).toBe(4);
  expect(await batches()).toBe(2);
});
