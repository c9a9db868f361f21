// Which models are served under which names and versions, while versions come, fail and go.

import { afterEach, expect, test } from "vitest";
import type { Service } from "../../../core/service.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { wholeReply } from "../../support/scripted.ts";

const opened: TestGateway[] = [];

async function start(yaml: string, kinds: Parameters<typeof startGateway>[0]["kinds"]): Promise<TestGateway> {
  const gateway = await startGateway({ yaml, kinds });
  opened.push(gateway);
  return gateway;
}

afterEach(async () => {
  for (const gateway of opened.splice(0)) await gateway.close();
});

/** Answers nothing but its name and version, which is enough to know who answered. */
const answering =
  (model: string, version: string): Service =>
  async () =>
    wholeReply(model, version);

async function whoAnswers(gateway: TestGateway, path: string): Promise<unknown> {
  const answer = await gateway.ask({ path: `${path}/infer`, body: '{"inputs":[]}' });
  if (answer.status !== 200) return `${answer.status} ${answer.json().error}`;
  const { model_name, model_version } = answer.json<{ model_name: string; model_version: string }>();
  return `${model_name} ${model_version}`;
}

test("a version that appears while serving is the newest from then on, by number and not by text", async () => {
  const fake = fakeBackend();
  fake.put("m", "9", { service: answering("m", "9") });
  const gateway = await start("backends: {local: {kind: fake}}", [fake.kind]);
  expect(await whoAnswers(gateway, "/v2/models/m")).toBe("m 9");
  fake.put("m", "10", { service: answering("m", "10"), state: "loading" });
  expect(await whoAnswers(gateway, "/v2/models/m")).toBe("m 9");
  expect(await whoAnswers(gateway, "/v2/models/m/versions/10")).toBe('503 model "m" version 10 is not ready (loading)');
  fake.put("m", "10", { service: answering("m", "10") });
  expect(await whoAnswers(gateway, "/v2/models/m")).toBe("m 10");
  expect(await whoAnswers(gateway, "/v2/models/m/versions/9")).toBe("m 9");
  fake.remove("m", "10");
  expect(await whoAnswers(gateway, "/v2/models/m")).toBe("m 9");
});

test("a broken version is said to be broken, and the good one goes on", async () => {
  const fake = fakeBackend();
  fake.put("m", "1", { service: answering("m", "1") });
  fake.put("m", "2", { service: answering("m", "2"), state: "unavailable", reason: "the file is cut off" });
  const gateway = await start("backends: {local: {kind: fake}}", [fake.kind]);
  expect(await whoAnswers(gateway, "/v2/models/m")).toBe("m 1");
  expect(await whoAnswers(gateway, "/v2/models/m/versions/2")).toBe(
    '503 model "m" version 2 is not ready (unavailable: the file is cut off)',
  );
  expect((await gateway.ask({ path: "/v2/models/m/ready" })).status).toBe(200);
  expect((await gateway.ask({ path: "/v2/models/m/versions/2/ready" })).status).toBe(503);
  expect((await gateway.ask({ path: "/v2/models/m/versions/1/ready" })).status).toBe(200);
});

test("a model that appears and goes while serving is known exactly while it is there", async () => {
  const fake = fakeBackend();
  const gateway = await start("backends: {local: {kind: fake}}", [fake.kind]);
  expect(await whoAnswers(gateway, "/v2/models/m")).toBe('404 model "m" is not known');
  fake.put("m", "1", { service: answering("m", "1") });
  expect(await whoAnswers(gateway, "/v2/models/m")).toBe("m 1");
  fake.remove("m", "1");
  expect(await whoAnswers(gateway, "/v2/models/m")).toBe('404 model "m" is not known');
});

test("without models a name in two backends is an error that names both", async () => {
  const left = fakeBackend("left");
  const right = fakeBackend("right");
  left.put("m", "1", { service: answering("m", "1") });
  right.put("m", "1", { service: answering("m", "1") });
  const kinds = [left.kind, right.kind];
  await expect(start("backends: {a: {kind: left}, b: {kind: right}}", kinds)).rejects.toThrow(
    'model "m" is in backend "a" and in backend "b"',
  );
});

test("with models the same name in two backends is served under the names that the config gives", async () => {
  const left = fakeBackend("left");
  const right = fakeBackend("right");
  left.put("m", "1", { service: answering("m", "1") });
  right.put("m", "7", { service: answering("m", "7") });
  const gateway = await start(
    "backends: {a: {kind: left}, b: {kind: right}}\nmodels: {m: {backend: b}, other: {backend: a, model: m}}",
    [left.kind, right.kind],
  );
  expect(await whoAnswers(gateway, "/v2/models/m")).toBe("m 7");
  expect(await whoAnswers(gateway, "/v2/models/other")).toBe("other 1");
});

test("a name that comes to be in a second backend stays with the one that had it", async () => {
  const left = fakeBackend("left");
  const right = fakeBackend("right");
  right.put("m", "1", { service: answering("m", "1") });
  const gateway = await start("backends: {a: {kind: left}, b: {kind: right}}", [left.kind, right.kind]);
  left.put("m", "2", { service: answering("m", "2") });
  expect(await whoAnswers(gateway, "/v2/models/m")).toBe("m 1");
});

test.each([
  ["gateway", 200],
  ["any", 200],
  ["all", 503],
] as const)("readiness: %s with one model of two ready answers %i", async (readiness, status) => {
  const fake = fakeBackend();
  fake.put("good", "1", { service: answering("good", "1") });
  fake.put("bad", "1", { service: answering("bad", "1"), state: "unavailable" });
  const gateway = await start(`backends: {local: {kind: fake}}\nreadiness: ${readiness}`, [fake.kind]);
  const answer = await gateway.ask({ path: "/v2/health/ready" });
  expect([answer.status, answer.json()]).toEqual([status, { ready: status === 200 }]);
});

test("a port that is taken is a clear error, and nothing stays open", async () => {
  const fake = fakeBackend();
  const first = await start("backends: {local: {kind: fake}}", [fake.kind]);
  const { serve } = await import("../../../gateway/main.ts");
  const { config } = first.running;
  const clash = serve({
    config: { ...config, listen: { ...config.listen, http: { host: "127.0.0.1", port: first.port } } },
  });
  await expect(clash).rejects.toThrow(`listen.http: cannot listen on 127.0.0.1:${first.port}: the port is in use`);
  expect((await first.ask({ path: "/v2/health/live" })).status).toBe(200);
});
