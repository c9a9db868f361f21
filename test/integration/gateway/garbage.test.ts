// Requests that were answered leave next to nothing in the old generation, where it would lie until the whole heap is marked.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startEchoServer } from "../../support/echo-server.ts";
import type { HeapFacts, Ports, Word } from "../../support/garbage-child.ts";
import { type Metrics, ROOT, readMetrics } from "../../support/gateway.ts";
import { binaryBody, jsonBody, plain } from "../../support/gateway-oip.ts";
import { ask, keptConnections } from "../../support/http-client.ts";
import { openRepository, type TestRepository } from "../../support/onnx-repository.ts";
import type { Upstream } from "../../support/upstream-raw.ts";

const CALLERS = 32;
const WARM_UP = 1500;
const REQUESTS = 3000;
/** Compilers leave something as well, less each time, and nothing can be told where the heap was marked on the way. */
const TRIES = 4;
/** Bytes of a request, which takes some 60,000 while it is served. */
const MOST = 800;

const agent = keptConnections(CALLERS);
let repository: TestRepository;
let server: Upstream;
let jsonServer: Upstream;
let child: ChildProcess;
let ports: Ports;

beforeAll(async () => {
  repository = await openRepository();
  await repository.put("triple", "1", "times_3");
  server = await startEchoServer(["binary_tensor_data"]);
  jsonServer = await startEchoServer([]);
  const yaml = `limits: {lag: 60s}
backends:
  onnx: {kind: onnx, repository: "${repository.root}", workers: 1, watch: false}
  server: {kind: oip, dialect: auto, endpoints: ["127.0.0.1:${server.port}"]}
  json: {kind: oip, dialect: auto, endpoints: ["127.0.0.1:${jsonServer.port}"]}
  fake: {kind: fake}
models:
  local: {backend: onnx, model: triple}
  cached: {backend: onnx, model: triple, cache: {ttl: 1h}}
  batched: {backend: onnx, model: triple, batch: true}
  external: {backend: server, model: echo}
  json: {backend: json, model: echo}
  hoarder: {backend: fake}`;
  child = fork(`${ROOT}test/support/garbage-child.ts`, [yaml], { execArgv: ["--expose-gc"] });
  [ports] = (await once(child, "message")) as [Ports];
});

afterAll(async () => {
  child.kill("SIGKILL");
  agent.destroy();
  await server.close();
  await jsonServer.close();
  await repository.close();
});

async function say(word: Word): Promise<HeapFacts> {
  child.send(word);
  const [facts] = (await once(child, "message")) as [HeapFacts];
  return facts;
}

/** Asks so often, and holds that every answer is one. */
async function load(model: string, requests: number): Promise<void> {
  const inputs = [plain("x", "FP32", [4], [1, 2, 3, 4])];
  const { body, headers } = model === "json" ? jsonBody(inputs) : binaryBody(inputs);
  let sent = 0;
  const caller = async () => {
    while (sent < requests) {
      sent += 1;
      const answer = await ask({ port: ports.port, agent, path: `/v2/models/${model}/infer`, body, headers });
      if (answer.status !== 200) throw new Error(`${model}: ${answer.status} ${answer.body}`);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

/** What a request leaves, in bytes: the first that is below `MOST`, else the least that was seen. */
async function leftBy(model: string): Promise<number> {
  await load(model, WARM_UP);
  let least = Number.POSITIVE_INFINITY;
  for (let tried = 0; tried < TRIES && least >= MOST; tried += 1) {
    const before = await say("mark");
    await load(model, REQUESTS);
    const after = await say("read");
    if (after.marked === 0) least = Math.min(least, (after.oldBytes - before.oldBytes) / REQUESTS);
  }
  return least;
}

async function metrics(): Promise<Metrics> {
  return readMetrics(`${(await ask({ port: ports.adminPort, path: "/metrics" })).body}`);
}

/** Of a machine that does other things too; it takes some seconds. */
const PATIENCE = { timeout: 60_000 };

test("a request to a local model leaves next to nothing", PATIENCE, async () => {
  expect(await leftBy("local")).toBeLessThan(MOST);
});

test("an answer from the cache leaves next to nothing", PATIENCE, async () => {
  expect(await leftBy("cached")).toBeLessThan(MOST);
  const hits = (await metrics()).sum("sluice_cache_requests_total", { model: "cached", state: "hit" });
  expect(hits).toBeGreaterThan(REQUESTS);
});

test("a request in a batch leaves next to nothing", PATIENCE, async () => {
  expect(await leftBy("batched")).toBeLessThan(MOST);
  const { sum } = await metrics();
  expect(sum("sluice_batch_requests_sum")).toBeGreaterThan(2 * sum("sluice_batch_requests_count"));
});

test("a request to an external server leaves next to nothing", PATIENCE, async () => {
  expect(await leftBy("external")).toBeLessThan(MOST);
});

test("a request in JSON to a server that knows nothing else leaves next to nothing", PATIENCE, async () => {
  expect(await leftBy("json")).toBeLessThan(MOST);
});

test("the check finds a model that holds on to its last thousand requests", PATIENCE, async () => {
  expect(await leftBy("hoarder")).toBeGreaterThan(MOST);
});
