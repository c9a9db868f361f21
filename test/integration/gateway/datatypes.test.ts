// Every datatype through a whole gateway and ONNX Runtime and back, and models that are slow or fail.

import { afterAll, beforeAll, expect, test } from "vitest";
import { backendKinds } from "../../../backends/registry.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { chance } from "../../support/gateway-demo.ts";
import { binaryBody, jsonBody, type Kind, plain, readInfer, sameNaN, WIDTHS } from "../../support/gateway-oip.ts";
import { until } from "../../support/http-client.ts";

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({
    yaml: "backends: {odd: {kind: onnx, repository: ./test/fixtures/onnx, workers: 1, queue: 3}}",
    kinds: backendKinds,
  });
});

afterAll(() => gateway.close());

const infer = (model: string, body: ReturnType<typeof jsonBody>, headers = {}) =>
  gateway.ask({ path: `/v2/models/${model}/infer`, body: body.body, headers: { ...body.headers, ...headers } });

const EXTREMES: Readonly<Record<Kind, readonly (number | bigint | boolean | string)[]>> = {
  BOOL: [true, false],
  UINT8: [0, 255],
  UINT16: [0, 65535],
  UINT32: [0, 4294967295],
  UINT64: [0n, 18446744073709551615n, 9007199254740993n],
  INT8: [-128, 127],
  INT16: [-32768, 32767],
  INT32: [-2147483648, 2147483647],
  INT64: [-9223372036854775808n, 9223372036854775807n, -9007199254740993n],
  FP16: [0, -0, 65504, 2 ** -24, 0.333251953125],
  FP32: [0, -0, 3.4028234663852886e38, 1.401298464324817e-45, 0.1, Number.NaN, Number.POSITIVE_INFINITY],
  FP64: [0, -0, 1.7976931348623157e308, 5e-324, 0.1, 1 / 3, Number.NaN, Number.NEGATIVE_INFINITY],
  BYTES: ["", "a", 'é\u0301 "\\\n', "🐍", "\ufeffx", "line\u2028", "\u007f\u0001"],
};

const KINDS = Object.keys(WIDTHS) as Kind[];
const SHAPES = [
  [2, 3],
  [1, 1],
  [0, 4],
  [3, 0],
  [7, 9],
] as const;

const tensorOf = (kind: Kind, shape: readonly number[]) => {
  const dice = chance(kind.length + shape.length * 100);
  return plain(
    "x",
    kind,
    shape,
    Array.from({ length: shape[0]! * shape[1]! }, () => dice.pick(EXTREMES[kind])),
  );
};

test.each(KINDS)("%s comes back bit for bit as blobs, with and without elements", async (kind) => {
  for (const shape of SHAPES) {
    const x = tensorOf(kind, shape);
    const [y] = readInfer(await infer(`identity_${kind.toLowerCase()}`, binaryBody([x]))).outputs;
    expect([y?.datatype, y?.shape, Buffer.from(y!.data).toString("hex")]).toEqual([
      kind,
      [...shape],
      Buffer.from(x.data).toString("hex"),
    ]);
  }
});

test.each(KINDS.filter((kind) => kind !== "FP16"))("%s comes back value for value as JSON", async (kind) => {
  for (const shape of SHAPES) {
    const x = sameNaN(tensorOf(kind, shape));
    const [y] = readInfer(await infer(`identity_${kind.toLowerCase()}`, jsonBody([x]))).outputs;
    expect([y?.datatype, y?.shape, Buffer.from(sameNaN(y!).data).toString("hex")]).toEqual([
      kind,
      [...shape],
      Buffer.from(x.data).toString("hex"),
    ]);
  }
});

test("FP16 as JSON is refused both ways, naming the tensor", async () => {
  const x = tensorOf("FP16", [2, 3]);
  for (const body of [jsonBody([x]), binaryBody([x], {})]) {
    const answer = await infer("identity_fp16", body);
    expect([answer.status, answer.headers["sluice-error-origin"]]).toEqual([400, "client"]);
    expect(answer.json().error).toMatch(/"[xy]".*(FP16|binary)/);
  }
});

test("BF16 is said to be unsupported", async () => {
  const answer = await infer("identity_bf16", jsonBody([]));
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(answer.json().error).toMatch(/bf16|bfloat16|unsupported/i);
});

test("a scalar has an empty shape and one element", async () => {
  const x = plain("x", "FP32", [], [0.1]);
  for (const body of [jsonBody([x]), binaryBody([x])]) {
    const [y] = readInfer(await infer("scalar", body)).outputs;
    expect([y?.shape, Buffer.from(y!.data).toString("hex")]).toEqual([[], "cdcccc3d"]);
  }
});

test.each(["02", "ff"])("the byte %s as a BOOL is refused, not passed on", async (hex) => {
  const x = { ...plain("x", "BOOL", [1, 1], [true]), data: Buffer.from(hex, "hex") };
  const answer = await infer("identity_bool", binaryBody([x]));
  expect([answer.status, answer.headers["sluice-error-origin"]]).toEqual([400, "client"]);
});

const trips = (count: bigint) => jsonBody([plain("trips", "INT64", [], [count])]);

test("a deadline frees the caller of a slow run, and the model answers the next", async () => {
  const started = performance.now();
  const late = await infer("slow", trips(100_000n), { "x-request-timeout-ms": "50" });
  expect([late.status, late.headers["sluice-error-origin"]]).toEqual([504, "gateway"]);
  const freed = performance.now() - started;
  // it waits for the run that nobody waits for any longer
  expect(readInfer(await infer("slow", trips(1n))).outputs).toHaveLength(1);
  expect(freed).toBeLessThan((performance.now() - started) / 2);
  const { sum } = await gateway.metrics();
  expect(sum("sluice_requests_total", { model: "slow", code: "deadline-exceeded" })).toBe(1);
  expect(sum("sluice_wasted_run_seconds_total", { model: "slow" })).toBeGreaterThan(0);
});

test("a queue that is full refuses with 503 and a pause, and everybody else is answered", async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, () => infer("slow", trips(20_000n))));
  const refused = answers.filter((answer) => answer.status === 503);
  expect(refused.length).toBeGreaterThan(0);
  expect(answers.filter((answer) => answer.status === 200)).toHaveLength(12 - refused.length);
  for (const { headers } of refused)
    expect([headers["sluice-error-origin"], headers["retry-after"]]).toEqual(["gateway", "1"]);
  const { sum } = await gateway.metrics();
  expect(sum("sluice_queue_full_total", { model: "slow" })).toBe(refused.length);
  await until(async () => (await gateway.metrics()).sum("sluice_in_flight_requests") === 0);
});

test("a run that fails for its input is the client's fault, in words that are no stack", async () => {
  const answer = await infer("gather", jsonBody([plain("index", "INT64", [1], [99n])]));
  expect([answer.status, answer.headers["sluice-error-origin"]]).toEqual([400, "client"]);
  expect(answer.json().error).not.toMatch(/\/|\n|\bat \b/);
});
