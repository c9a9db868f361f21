// A canary in front of a local ONNX version and a version on a real Triton, asked by tritonclient and by TensorFlow Serving's REST.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { ask } from "../support/http-client.ts";
import { startTriton } from "./servers/triton.ts";
import { realServer } from "./support/suite.ts";
import { isMissing, type Missing } from "./support/venv.ts";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("canary_checks.py", import.meta.url));
const USERS = 60;
const PERCENTS = [5, 20, 50];
const WAYS = ["http", "grpc", "tf-serving"] as const;

const configOf = (triton: number) => `
testers: {peers: [127.0.0.0/8]}
backends:
  local: {kind: onnx, repository: ./models, workers: 1}
  there: {kind: triton, endpoints: ["http://127.0.0.1:${triton}"]}
models:
  digits:
    versions: {1: {backend: local, version: 1}, 2: {backend: there, model: digits_as_is, version: 2}}
    labels: {stable: 1, next: 2}
    route: {canary: {stable: stable, candidate: next, percent: ${PERCENTS[0]}, unit: {header: x-user-id}, force: x-variant}}`;

interface Report extends Readonly<Record<(typeof WAYS)[number], Asked>> {
  /** What TensorFlow Serving's labels led to. */
  readonly labels: readonly string[];
  /** The users' buckets, worked out by the client. */
  readonly buckets: readonly number[];
}

interface Asked {
  /** The version that answered each user. */
  readonly users: readonly number[];
  readonly forced: string;
  readonly named: readonly string[];
}

interface Canary {
  readonly gateway: TestGateway;
  report(): Promise<Report>;
  close(): Promise<void>;
}

async function start(): Promise<Canary | Missing> {
  const triton = await startTriton({ models: ["digits_as_is"] });
  if (isMissing(triton)) return triton;
  const gateway = await startGateway({ yaml: configOf(triton.http), kinds: backendKinds });
  return {
    gateway,
    async report() {
      const args = [SCRIPT, `127.0.0.1:${gateway.port}`, `127.0.0.1:${gateway.grpcPort}`, `${USERS}`];
      const { stdout } = await run(triton.python, args, { timeout: 50_000 });
      return JSON.parse(stdout) as Report;
    },
    async close() {
      await gateway.close();
      await triton.close();
    },
  };
}

realServer("canary", start, (canary) => {
  it("gives each user the version of his bucket over every protocol, and moves while it runs", async () => {
    const { gateway, report } = canary();
    for (const percent of PERCENTS) {
      const path = "/admin/models/digits/route";
      const moved = await ask({ port: gateway.adminPort, method: "PATCH", path, body: JSON.stringify({ percent }) });
      expect(moved.status).toBe(200);
      const before = (await gateway.metrics()).sum("sluice_requests_total", { backend: "there", code: "ok" });
      const told = await report();
      const expected = told.buckets.map((bucket) => (bucket < 100 * percent ? 2 : 1));
      for (const way of WAYS) {
        expect([way, percent, told[way].users]).toEqual([way, percent, expected]);
        expect([way, told[way].forced, told[way].named]).toEqual([way, "2", ["1", "2"]]);
      }
      expect(told.labels).toEqual(["1", "2"]);
      // the real server has answered these, and no others
      const there = (await gateway.metrics()).sum("sluice_requests_total", { backend: "there", code: "ok" }) - before;
      const candidates = expected.filter((version) => version === 2).length;
      // each way: its users of the candidate, one forced, one by its version; beside them the one to compare with, and a label
      expect(there).toBe(WAYS.length * (candidates + 2) + 2);
    }
  });
});
