// Changes by the admin API: whole configs, moves of a route, back again; each checked whole, remembered, or refused with all reasons.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { ask } from "../../support/http-client.ts";
import { wholeReply } from "../../support/scripted.ts";

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

const fake = fakeBackend();
fake.put("there", "1", { service: async () => wholeReply("there", "1") });

const LISTEN = 'listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}\n';
const withRoute = (route: string, more = "") => `${LISTEN}${more}
backends: {a: {kind: fake}}
models:
  m:
    versions: {1: {backend: a, model: there, version: 1}, 2: {backend: a, model: there, version: 1}}
    labels: {stable: 1, next: 2}
    route: ${route}
`;
const canary = (percent: number) =>
  `{canary: {stable: stable, candidate: next, percent: ${percent}, unit: {header: x-user-id}}}`;

async function start(yaml: string): Promise<void> {
  gateway = await startGateway({ yaml, kinds: [fake.kind] });
}

interface Told {
  readonly status: number;
  readonly told: {
    readonly how?: string;
    readonly why?: string;
    readonly config?: string;
    readonly overrides?: readonly object[];
    readonly entries: readonly { readonly how: string }[];
    readonly reasons: readonly string[];
    readonly warnings: readonly string[];
  };
}

async function admin(method: "GET" | "POST" | "PATCH", path: string, more = {}): Promise<Told> {
  const answer = await ask({ port: gateway!.adminPort, method, path, ...more });
  return { status: answer.status, told: JSON.parse(`${answer.body}`) };
}

const patch = (words: object) => admin("PATCH", "/admin/models/m/route", { body: JSON.stringify(words) });

/** How many of 200 users get version 2. */
async function share(): Promise<number> {
  const asked = Array.from({ length: 200 }, (_, i) =>
    gateway!.ask({ path: "/v2/models/m/infer", body: '{"inputs":[]}', headers: { "x-user-id": `u${i}` } }),
  );
  const versions = (await Promise.all(asked)).map(({ body }) => JSON.parse(`${body}`).model_version);
  return versions.filter((version) => version === "2").length;
}

test("a percentage is moved, shown as an override, and moved back", async () => {
  await start(withRoute(canary(0)));
  expect(await share()).toBe(0);
  const moved = await patch({ percent: 100, why: "all looks well" });
  expect(moved.status).toBe(200);
  expect(await share()).toBe(200);
  const { told } = await admin("GET", "/admin/config");
  expect(told.overrides).toEqual([{ path: ["models", "m", "route", "canary", "percent"], value: 100, was: "0" }]);
  expect([told.how, told.why, told.config]).toEqual(["patch", "all looks well", withRoute(canary(0))]);
  const back = await admin("POST", "/admin/rollback?who=me&why=second+thoughts");
  expect(back.told).toMatchObject({ how: "rollback to 1", who: "me", why: "second thoughts", overrides: [] });
  expect(await share()).toBe(0);
  const { entries } = (await admin("GET", "/admin/history")).told;
  expect(entries.map((entry) => entry.how)).toEqual(["rollback to 1", "patch", "start"]);
});

test("weights and labels are moved, alone and together", async () => {
  await start(withRoute("{weighted: [{to: stable, weight: 1}, {to: next, weight: 0}]}"));
  expect(await share()).toBe(0);
  await patch({ weights: { next: 3 } });
  expect(await share()).toBe(150);
  await patch({ weights: { next: 0 }, labels: { stable: 2 } });
  expect(await share()).toBe(200);
});

test("where several routers could be meant the refusal names their paths, and a path chooses", async () => {
  await start(withRoute(`{rules: [{when: {header: {x-a: "1"}}, to: ${canary(0)}}, {to: ${canary(0)}}]}`));
  const refused = await patch({ percent: 100 });
  expect(refused.status).toBe(400);
  expect(refused.told.reasons).toEqual([
    "percent: path: expected one of route.rules[0].to.canary, route.rules[1].to.canary, got nothing",
  ]);
  expect((await patch({ percent: 100, path: "rules[1].to.canary" })).status).toBe(200);
  expect(await share()).toBe(200);
});

test.each([
  ["a percentage that is none", { percent: 101 }],
  ["a label of no version", { labels: { next: 7 } }],
  ["a branch that is not there", { weights: { other: 1 } }],
  ["a word that is not there", { per_cent: 3 }],
  ["nothing", {}],
])("%s is refused, and the config in force stays", async (_what, words) => {
  await start(withRoute(canary(0)));
  const refused = await patch(words);
  expect(refused.status).toBe(400);
  expect(refused.told.reasons.length).toBeGreaterThan(0);
  expect((await admin("GET", "/admin/history")).told.entries).toHaveLength(1);
  expect(await share()).toBe(0);
});

test("another config by POST: all its mistakes at once, or in force when it is answered", async () => {
  await start(withRoute(canary(0)));
  const broken = withRoute(canary(200)).replace("kind: fake", "kind: fkae");
  const refused = await admin("POST", "/admin/config", { body: broken });
  expect(refused.status).toBe(400);
  expect(refused.told.reasons).toHaveLength(2);
  const taken = await admin("POST", "/admin/config?why=new", { body: withRoute(canary(100)) });
  expect(taken).toMatchObject({ status: 200, told: { id: 2, how: "admin", why: "new", warnings: [] } });
  expect(await share()).toBe(200);
});

test("an override outlives a change elsewhere in the file; a change of its own key wins, with a warning", async () => {
  await start(withRoute(canary(5)));
  await patch({ percent: 100 });
  const { changes } = gateway!.running;
  const note = { who: "file", why: "" };
  const elsewhere = await changes!.file(withRoute(canary(5), "timeout: 20s"), { again: false, note });
  expect(elsewhere).toMatchObject({ ok: true, warnings: [], entry: { overrides: [{ value: 100 }] } });
  expect(await share()).toBe(200);
  const itself = await changes!.file(withRoute(canary(0), "timeout: 20s"), { again: false, note });
  expect(itself).toMatchObject({
    ok: true,
    warnings: ["models.m.route.canary.percent: the file has changed here, so the override 100 is dropped"],
    entry: { overrides: [] },
  });
  expect(await share()).toBe(0);
});

test("a file that says what it said last time changes nothing, unless it is asked for again", async () => {
  const text = withRoute(canary(0));
  await start(text);
  await admin("POST", "/admin/config", { body: withRoute(canary(100)) });
  const { changes } = gateway!.running;
  const note = { who: "file", why: "" };
  expect(await changes!.file(text, { again: false, note })).toBeUndefined();
  expect(await share()).toBe(200);
  expect(await changes!.file(text, { again: true, note })).toMatchObject({ ok: true });
  expect(await share()).toBe(0);
});

test("a broken file is refused with all its mistakes and their lines, and the next right one is taken", async () => {
  await start(withRoute(canary(0)));
  const { changes } = gateway!.running;
  const note = { who: "file", why: "" };
  const broken = withRoute(canary(200)).replace("kind: fake", "kind: fkae");
  const refused = await changes!.file(broken, { again: false, note });
  expect(refused?.ok).toBe(false);
  const reasons = refused?.ok === false ? refused.reasons : [];
  expect(reasons.map((reason) => /:(\d+)\)$/.exec(reason)?.[1])).toEqual(["3", "8"]);
  expect(await share()).toBe(0);
  expect(await changes!.file(withRoute(canary(100)), { again: false, note })).toMatchObject({ ok: true });
  expect(await share()).toBe(200);
});

test("a config that only waits for a restart is accepted and says so", async () => {
  await start(withRoute(canary(0)));
  const { told } = await admin("POST", "/admin/config", { body: withRoute(canary(0), "limits: {inputs: 3}") });
  expect(told.warnings).toEqual(["limits: changed, and in force after a restart"]);
});

test("with a token all but metrics and health ask for it", async () => {
  await start(withRoute(canary(0), "admin: {token: 0123456789abcdef}"));
  for (const path of ["/metrics", "/livez", "/readyz"]) expect((await gateway!.admin(path)).status).toBe(200);
  const closed = ["/admin/config", "/admin/history", "/admin/explain?model=m", "/admin/reports?model=m"];
  for (const path of closed) expect((await gateway!.admin(path)).status).toBe(401);
  const wrong = { headers: { authorization: "Bearer 0123456789abcdeX" }, body: '{"percent": 100}' };
  expect((await admin("PATCH", "/admin/models/m/route", wrong)).status).toBe(401);
  expect(await share()).toBe(0);
  const right = { ...wrong, headers: { authorization: "Bearer 0123456789abcdef" } };
  expect((await admin("PATCH", "/admin/models/m/route", right)).status).toBe(200);
  expect(await share()).toBe(200);
});

test("a page in a browser can change nothing", async () => {
  await start(withRoute(canary(0)));
  const from = { headers: { origin: "http://example.com" }, body: '{"percent": 100}' };
  expect((await admin("PATCH", "/admin/models/m/route", from)).status).toBe(403);
  expect(await share()).toBe(0);
});

test("with a file the history and the overrides outlive a restart, where the config still has what was overridden", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-history-"));
  try {
    const more = `admin: {history: ${join(folder, "history.db")}}`;
    await start(withRoute(canary(0), more));
    await patch({ percent: 100 });
    await gateway!.close();
    await start(withRoute(canary(0), more));
    expect(await share()).toBe(200);
    const { entries } = (await admin("GET", "/admin/history")).told;
    expect(entries.map((entry) => entry.how)).toEqual(["patch", "start"]);
    await gateway!.close();
    await start(withRoute(canary(50), more));
    expect((await admin("GET", "/admin/config")).told).toMatchObject({ how: "start", overrides: [] });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
