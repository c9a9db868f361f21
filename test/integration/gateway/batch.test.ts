// Batching in a whole gateway: requests over REST and gRPC share batches on local workers, and nobody gets another's rows.

import type { Agent } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onnx } from "../../../backends/onnx/onnx.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { type GrpcCaller, grpcCaller, inferAnswer, inferMessage } from "../../support/gateway-grpc.ts";
import { binaryBody, elements, jsonBody, type Plain, plain, readInfer } from "../../support/gateway-oip.ts";
import { keptConnections } from "../../support/http-client.ts";
import { openRepository, type TestRepository } from "../../support/onnx-repository.ts";

/** Of a run in CI; `npm run soak` asks for many more. */
const REQUESTS = Number(process.env.SLUICE_BATCH_REQUESTS ?? 3000);
const CLIENTS = 32;
/** A soak beside other work may stand still for a while, which is nobody's lost answer. */
const PATIENCE_MS = 300_000;
/** How often a long run says how far it is, in requests. */
const REPORT_EVERY = 50_000;

let repository: TestRepository;
let gateway: TestGateway;
let caller: GrpcCaller;
let agent: Agent;

beforeAll(async () => {
  repository = await openRepository();
  await repository.put("triple", "1", "times_3");
  const yaml = `timeout: ${PATIENCE_MS}ms
limits: {lag: ${PATIENCE_MS}ms}
backends: {local: {kind: onnx, repository: ${repository.root}, workers: 1, watch: false}}
models: {triple: {backend: local, batch: {maxRows: 32}}}`;
  gateway = await startGateway({ yaml, kinds: [onnx] });
  caller = grpcCaller(gateway.grpcPort);
  agent = keptConnections(CLIENTS);
});

afterAll(async () => {
  caller.close();
  agent.destroy();
  await gateway.close();
  await repository.close();
}, 60_000);

/** Asks for these values by the way that `turn` says, and tells the answer's. */
async function triple(values: readonly number[], turn: number): Promise<readonly unknown[]> {
  const x = plain("x", "FP32", [values.length], values);
  if (turn % 3 === 2) {
    const { messages, code, details } = await caller.ask({
      method: "ModelInfer",
      messages: [inferMessage({ model: "triple", inputs: [x] })],
      timeoutMs: PATIENCE_MS,
    });
    if (code !== 0) throw new Error(`gRPC code ${code}: ${details}`);
    const [y] = inferAnswer(messages[0]).outputs;
    return y === undefined ? [] : elements(y as Plain);
  }
  const body = turn % 3 === 0 ? jsonBody([x]) : binaryBody([x]);
  const answer = await gateway.ask({
    method: "POST",
    path: "/v2/models/triple/infer",
    agent,
    patienceMs: PATIENCE_MS,
    ...body,
  });
  const [y] = readInfer(answer).outputs;
  return y === undefined ? [] : elements(y);
}

describe("batches of a gateway", () => {
  it(`give each of ${REQUESTS} requests over three protocols its own rows`, { timeout: 4 * 3_600_000 }, async () => {
    let sent = 0;
    let mixed = 0;
    const client = async () => {
      while (sent < REQUESTS) {
        const turn = sent;
        sent += 1;
        if (sent % REPORT_EVERY === 0) process.stderr.write(`${sent} requests, ${mixed} of them mixed up\n`);
        // every row is another number, exact in FP32 also when tripled
        const values = Array.from({ length: 1 + (turn % 4) }, (_, i) => (4 * turn + i) % 5_000_000);
        const got = await triple(values, turn);
        if (got.join() !== values.map((value) => 3 * value).join()) mixed += 1;
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    expect(mixed).toBe(0);
    const metrics = await gateway.metrics();
    const batches = metrics.sum("sluice_batch_requests_count", { model: "triple" });
    expect(metrics.sum("sluice_batch_requests_sum", { model: "triple" })).toBe(REQUESTS);
    // the client shares the process and the model takes no time, so that few wait together; yet some do
    expect(batches).toBeLessThan(0.9 * REQUESTS);
    expect(metrics.sum("sluice_batches_total", { model: "triple" })).toBe(batches);
  });
});
