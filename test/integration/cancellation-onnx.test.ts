// A client that leaves while a local model runs is freed at once, from each front: the run cannot be aborted, so it keeps its
// slot until it ends, and its time is counted as wasted.

import { afterAll, beforeAll, expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { writeOnnx } from "../../bench/onnx-writer.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/http-client.ts";
import { LEAVERS, type Row } from "../support/leaving.ts";
import { openRepository, type TestRepository } from "../support/onnx-repository.ts";

const WIDTH = 1024;
/** One row takes a good part of a second: each layer reads four megabytes of weights. */
const LAYERS = 1000;

/** A network of many layers that share their weights, over rows of 16. */
function slowModel(): Uint8Array {
  const zeros = (name: string, rows: number) => {
    return { name, shape: [rows, WIDTH], values: new Float32Array(rows * WIDTH) };
  };
  const hidden = Array.from({ length: LAYERS }, (_, i) => {
    const output = i === LAYERS - 1 ? "y" : `h${i + 1}`;
    return { op: "MatMul", inputs: [`h${i}`, "w"], output };
  });
  return writeOnnx({
    name: "slow",
    layers: [{ op: "MatMul", inputs: ["x", "w0"], output: "h0" }, ...hidden],
    weights: [zeros("w0", 16), zeros("w", WIDTH)],
    input: { name: "x", shape: ["rows", 16] },
    output: { name: "y", shape: ["rows", WIDTH] },
  });
}

const ZEROS = Array<number>(16).fill(0);
const INPUTS: readonly Row[] = [
  { name: "x", datatype: "FP32", shape: [1, 16], values: ZEROS, data: new Uint8Array(64) },
];

let repository: TestRepository;
let gateway: TestGateway;

beforeAll(async () => {
  repository = await openRepository();
  await repository.write("slow/1/model.onnx", slowModel());
  const models = ["kserve-v1", "tf-serving"].map(
    (dialect) => `  slow_${dialect}: {backend: local, model: slow, dialect: ${dialect}}`,
  );
  gateway = await startGateway({
    yaml: [
      "timeout: 60s",
      `backends: {local: {kind: onnx, repository: ${JSON.stringify(repository.root)}, workers: 1}}`,
      "models:",
      "  slow: {backend: local}",
      ...models,
    ].join("\n"),
    kinds: backendKinds,
  });
}, 60_000);

afterAll(async () => {
  await gateway?.close();
  await repository?.close();
});

const inFlight = async () => (await gateway.metrics()).sum("sluice_in_flight_requests");
const wasted = async () => (await gateway.metrics()).sum("sluice_wasted_run_seconds_total", { model: "slow" });

test.each(LEAVERS)(
  "$front",
  async ({ ask, dialect }) => {
    const before = await wasted();
    const leave = ask(
      { http: gateway.port, grpc: gateway.grpcPort },
      dialect === undefined ? "slow" : `slow_${dialect}`,
      INPUTS,
    );
    await until(async () => (await inFlight()) === 1);
    // by the time of another answer the run has been given to the worker, which has nothing else to do
    await gateway.metrics();
    leave();
    await until(async () => (await inFlight()) === 0);
    expect(await wasted()).toBe(before);
    await until(async () => (await wasted()) > before, 30_000);
  },
  60_000,
);
