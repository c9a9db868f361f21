// Routes in a whole gateway: the same way by every protocol, told to whoever may ask, and recorded.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { Service } from "../../../core/service.ts";
import { main } from "../../../gateway/cli.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { type GrpcCaller, grpcCaller, inferAnswer, inferMessage, int32 } from "../../support/gateway-grpc.ts";
import { until } from "../../support/http-client.ts";
import { wholeReply } from "../../support/scripted.ts";
import { memoryIo } from "../../unit/gateway/cli/memory-io.ts";

let folder: string;
let gateway: TestGateway;
let grpc: GrpcCaller;

const answers: Service = async (request) => wholeReply("there", "there", { outputs: request.inputs });
const down: Service = () => Promise.reject(new InferError("unavailable", "down"));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-routes-"));
  const fake = fakeBackend();
  const tensor = [{ name: "x", datatype: "INT32", shape: [-1] }] as const;
  for (const version of ["1", "2"]) fake.put("m", version, { service: answers, inputs: tensor, outputs: tensor });
  fake.put("m", "3", { service: down, inputs: tensor, outputs: tensor });
  gateway = await startGateway({
    kinds: [fake.kind],
    yaml: `
testers: {peers: [127.0.0.0/8]}
exposures: {to: {file: ${JSON.stringify(join(folder, "exposures.jsonl"))}}, every: 10ms}
backends: {b: {kind: fake}}
models:
  m:
    versions: {1: {backend: b, version: 1}, 2: {backend: b, version: 2}, 3: {backend: b, version: 3}}
    labels: {stable: 1, next: 2}
    route:
      rules:
        - when: {header: {x-down: "1"}}
          to: {fallback: [3, {answer: {x: {datatype: INT32, shape: [-1], data: [7]}}}]}
        - when: {header: {x-slow: "1"}}
          to: {fallback: [3, stable]}
        - to: {ab: {name: wording, unit: {header: x-user-id}, variants: {control: {to: stable, percent: 50}, b: {to: next, percent: 50}}}}
  p:
    backend: b
    model: m
    route: {canary: {stable: 1, candidate: 2, percent: 50, unit: {parameter: user}}}
  once:
    versions: {1: {backend: b, model: m, version: 1}}
    limit: {rate: 1/d}
`,
  });
  grpc = grpcCaller(gateway.grpcPort);
});

afterAll(async () => {
  grpc.close();
  await gateway.close();
  await rm(folder, { recursive: true });
});

async function rest(model: string, headers: Record<string, string>, parameters: Record<string, string> = {}) {
  const inputs = [{ name: "x", datatype: "INT32", shape: [2], data: [1, 2] }];
  const body = JSON.stringify({ inputs, parameters });
  const answer = await gateway.ask({ method: "POST", path: `/v2/models/${model}/infer`, headers, body });
  return { headers: answer.headers, json: JSON.parse(`${answer.body}`) as Record<string, unknown> };
}

async function byGrpc(model: string, metadata: Record<string, string>, parameters: Record<string, string> = {}) {
  const message = inferMessage({ model, inputs: [int32("x", 1, 2)], parameters: new Map(Object.entries(parameters)) });
  const answer = await grpc.ask({ method: "ModelInfer", messages: [message], metadata });
  return { head: answer.head, version: inferAnswer(answer.messages[0]).modelVersion };
}

describe("a route", () => {
  test("leads a user to the same variant over REST and over gRPC, by header and by parameter", async () => {
    const seen = new Set<unknown>();
    for (let user = 0; user < 60; user += 1) {
      const id = `u${user}`;
      const header = (await rest("m", { "x-user-id": id })).json.model_version;
      expect((await byGrpc("m", { "x-user-id": id })).version).toBe(header);
      const parameter = (await rest("p", {}, { user: id })).json.model_version;
      expect((await byGrpc("p", {}, { user: id })).version).toBe(parameter);
      seen.add(header);
    }
    expect([...seen].sort()).toEqual(["1", "2"]);
  });

  test("is told to a tester who asks, in the words of an explanation and of the log", async () => {
    const { headers } = await rest("m", { "x-user-id": "42", "sluice-explain": "1" });
    const way = headers["sluice-path"];
    expect(way).toMatch(
      /^rules 3 of 3 \(otherwise\) to \(ab\); ab wording (control|b) 50% bucket \d+ in \[\d+, \d+\)$/,
    );
    const explained = await gateway.admin("/admin/explain?model=m&header=X-User-Id%3D42");
    expect(JSON.parse(`${explained.body}`)).toMatchObject({
      model: "m",
      path: way,
      version: "2",
      targets: [
        { backend: "b", model: "m", version: "2", endpoints: [{ id: "b/fake", available: true, serves: true }] },
      ],
    });
    expect((await byGrpc("m", { "x-user-id": "42", "sluice-explain": "1" })).head["sluice-path"]).toBe(way);
    expect((await rest("m", { "x-user-id": "42" })).headers["sluice-path"]).toBeUndefined();
  });

  test("says of an answer that it is a fallback", async () => {
    const other = await rest("m", { "x-slow": "1" });
    expect(other.headers["sluice-fallback"]).toBe("stable");
    expect(other.json.model_version).toBe("1");
    const fixed = await rest("m", { "x-down": "1" });
    expect(fixed.headers["sluice-fallback"]).toBe("default answer");
    expect(fixed.json).toMatchObject({ outputs: [{ name: "x", shape: [2], data: [7, 7] }] });
    expect((await rest("m", {})).headers["sluice-fallback"]).toBeUndefined();
  });

  test("records each user of an experiment once, whatever the protocol", async () => {
    await rest("m", { "x-user-id": "once" });
    await byGrpc("m", { "x-user-id": "once" });
    const records = async () => {
      const text = await readFile(join(folder, "exposures.jsonl"), "utf8").catch(() => "");
      const lines = text.split("\n").filter((line) => line !== "");
      return lines.map((line) => JSON.parse(line)).filter(({ unit }) => unit === "once");
    };
    await until(async () => (await records()).length > 0);
    expect(await records()).toEqual([expect.objectContaining({ experiment: "wording", model: "m" })]);
    const metrics = await gateway.metrics();
    expect(metrics.sum("sluice_exposures_total", { experiment: "wording" })).toBeGreaterThan(60);
    expect(metrics.sum("sluice_experiment_sample_ratio_p", { experiment: "wording" })).toBeGreaterThan(0.01);
  });
});

describe("an explanation", () => {
  test.each([
    ["/admin/explain", 400, "expected the name of a model"],
    ["/admin/explain?model=nobody", 404, 'model "nobody" is not known'],
    ["/admin/explain?model=m&label=nowhere", 404, 'model "m" label nowhere is not known'],
    ["/admin/explain?model=m&header=x", 400, "header: expected name=value"],
    ["/admin/explain?model=m&input=x", 400, "input: expected name:datatype:[shape]"],
    ["/admin/reports?model=nobody", 404, 'model "nobody" is not known'],
  ])("of %s is %i: %s", async (path, status, said) => {
    const answer = await gateway.admin(path);
    expect(answer.status).toBe(status);
    expect(JSON.parse(`${answer.body}`).error).toContain(said);
  });

  test("is printed by the command, a line a decision", async () => {
    const io = memoryIo();
    const url = `http://127.0.0.1:${gateway.adminPort}`;
    expect(await main(["explain", "-m", "m", "--header", "x-slow=1", "--url", url], io)).toBe(0);
    expect(io.written()).toBe(
      [
        "m: version 3",
        "  rules 2 of 3 (header x-slow 1) to (fallback)",
        "  fallback 3, then stable",
        "  timeout 30s for all of it",
        "  retry none, there is no other endpoint",
        "  on b: m version 3, 1 of 1 endpoints can take it",
        "",
      ].join("\n"),
    );
    await rest("once", {});
    const refused = memoryIo();
    const words = ["explain", "-m", "once", "--header", "x-request-timeout-ms=50", "--url", url];
    expect(await main(words, refused)).toBe(0);
    expect(refused.written().split("\n")).toEqual([
      "once: version 1",
      "  limit refused: 1/d by model",
      "  timeout 50ms for all of it",
      "  retry none, there is no other endpoint",
      expect.stringMatching(/^ {2}refused now \(quota-exceeded\): model "once" allows 1\/d; the next request fits in /),
      "  on b: m version 1, 1 of 1 endpoints can take it",
      "",
    ]);
    const wrong = memoryIo();
    expect(await main(["explain", "-m", "nobody", "--url", url], wrong)).toBe(1);
    expect(wrong.complained()).toContain('model "nobody" is not known');
  });
});
