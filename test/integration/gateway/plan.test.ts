// What another config would mean is said before it is put in force, and comes true when it is.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { main } from "../../../gateway/cli.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { ask } from "../../support/http-client.ts";
import { wholeReply } from "../../support/scripted.ts";
import { memoryIo } from "../../unit/gateway/cli/memory-io.ts";

let gateway: TestGateway | undefined;
afterEach(async () => gateway?.close());

const USERS = 300;

const fake = fakeBackend();
fake.put("there", "1", { service: async () => wholeReply("there", "1") });

const canary = (percent: number, more = "") =>
  `{canary: {stable: 1, candidate: 2, percent: ${percent}, unit: {header: x-user-id}${more}}}`;
const configOf = (route: string, more = "") => `listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}
backends: {a: {kind: fake}}
models:
  m:
    versions: {1: {backend: a, model: there, version: 1}, 2: {backend: a, model: there, version: 1}}
    route: ${route}
${more}`;

async function start(route: string): Promise<void> {
  gateway = await startGateway({ yaml: configOf(route), kinds: [fake.kind] });
}

/** The version that each of the users gets. */
async function versions(): Promise<readonly string[]> {
  const asked = Array.from({ length: USERS }, (_, i) =>
    gateway!.ask({ path: "/v2/models/m/infer", body: '{"inputs":[]}', headers: { "x-user-id": `u${i}` } }),
  );
  return (await Promise.all(asked)).map(({ body }) => JSON.parse(`${body}`).model_version as string);
}

async function plan(body: string) {
  const answer = await ask({ port: gateway!.adminPort, method: "POST", path: "/admin/plan", body });
  return { status: answer.status, told: JSON.parse(`${answer.body}`) as unknown };
}

test("the users of a plan are those who move when it is put in force", async () => {
  await start(canary(5));
  const before = await versions();
  const { told } = await plan(configOf(canary(20)));
  expect(await versions()).toEqual(before);
  await gateway!.running.changes!.put(configOf(canary(20)), { who: "test", why: "" });
  const after = await versions();
  const moved = after.filter((version, i) => version !== before[i]).length;
  expect(moved).toBeGreaterThan(20);
  expect(told).toEqual({
    ok: true,
    changes: ["models.m.route.canary.percent: 5 -> 20"],
    warnings: [],
    models: [{ model: "m", requests: USERS, inTurns: 0, users: USERS, moved, moves: { "1 -> 2": moved } }],
  });
});

test("nobody moves unless the percentage or the salt does", async () => {
  await start(canary(30, ", salt: a"));
  await versions();
  const more = await plan(configOf(canary(30, ", salt: a"), "  n: {backend: a, model: there}\n"));
  expect(more.told).toMatchObject({ changes: ["models.n: new"], models: [{ model: "m", users: USERS, moved: 0 }] });
  const salted = await plan(configOf(canary(30, ", salt: b")));
  // independent splits of 30 %: 2 * 0.3 * 0.7 of the users, within 4 standard errors
  const [{ moved }] = (salted.told as { models: [{ moved: number }] }).models;
  expect(Math.abs(moved / USERS - 0.42)).toBeLessThan(4 * Math.sqrt((0.42 * 0.58) / USERS));
});

test("what goes in turns moves no user", async () => {
  await start("{weighted: [{to: 1, weight: 3}, {to: 2, weight: 1}]}");
  await versions();
  const { told } = await plan(configOf("{weighted: [{to: 1, weight: 1}, {to: 2, weight: 3}]}"));
  expect(told).toMatchObject({ models: [{ requests: USERS, inTurns: USERS, users: 0, moved: 0 }] });
});

test("a config with mistakes is no plan, and says them all", async () => {
  await start(canary(5));
  const { status, told } = await plan(configOf(canary(200)).replace("kind: fake", "kind: fkae"));
  expect(status).toBe(400);
  expect((told as { reasons: string[] }).reasons).toHaveLength(2);
});

test("sluice plan says it in words", async () => {
  await start(canary(0));
  await versions();
  const folder = mkdtempSync(join(tmpdir(), "sluice-plan-"));
  const io = memoryIo({ cwd: folder });
  writeFileSync(join(folder, "new.yaml"), configOf(canary(100)));
  try {
    expect(await main(["plan", "new.yaml", "--url", `http://127.0.0.1:${gateway!.adminPort}`], io)).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
  expect(io.written()).toBe(
    "models.m.route.canary.percent: 0 -> 100\n" +
      "m: 100 % of 300 users of the last minutes would get another version (version 1 -> 2: 300)\n",
  );
});
