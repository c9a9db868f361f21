// What a change of the config leaves as it is: a model whose words are the same goes on, one with other words is another.

import { afterEach, expect, test } from "vitest";
import { loadConfig } from "../../../config/load.ts";
import type { TensorSpec } from "../../../core/model.ts";
import { policyKinds } from "../../../policies/registry.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { wholeReply } from "../../support/scripted.ts";

let gateway: TestGateway | undefined;
afterEach(async () => gateway?.close());

const fake = fakeBackend();
fake.put("there", "1", { service: async () => wholeReply("there", "1") });

async function start(yaml: string): Promise<void> {
  gateway = await startGateway({ yaml, kinds: [fake.kind] });
}

async function change(yaml: string): Promise<void> {
  const text = `listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}\n${yaml}`;
  const loaded = loadConfig({ text, file: "test.yaml", env: {} }, { backends: [fake.kind], policies: policyKinds });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  await gateway!.running.reload({ ...loaded.config, baseDir: gateway!.running.config.baseDir });
}

const versionAsked = async (headers: Record<string, string> = {}) => {
  const answer = await gateway!.ask({ path: "/v2/models/m/infer", body: '{"inputs":[]}', headers });
  return (JSON.parse(`${answer.body}`) as { model_version?: string }).model_version;
};

const modelsWith = (route: string, more = "") => `
backends: {a: {kind: fake}}
models:
  m:
    versions: {1: {backend: a, model: there, version: 1}, 2: {backend: a, model: there, version: 1}}
    route: ${route}
${more}`;

test("a model whose words did not change goes on where it was, and one whose words did begins anew", async () => {
  const turns = "{weighted: [{to: 1, weight: 3}, {to: 2, weight: 1}]}";
  await start(modelsWith(turns));
  const uninterrupted = [];
  for (let i = 0; i < 8; i += 1) uninterrupted.push(await versionAsked());
  const interrupted = [];
  for (let i = 0; i < 8; i += 1) {
    interrupted.push(await versionAsked());
    await change(modelsWith(turns, `  n${i}: {backend: a, model: there}\n`));
  }
  // with a new model at each change the first branch would answer every time
  expect(uninterrupted).toContain("2");
  expect(interrupted).toEqual(uninterrupted);
  const other = "{weighted: [{to: 1, weight: 3}, {to: 2, weight: 2}]}";
  await versionAsked();
  await change(modelsWith(other));
  expect(await versionAsked()).toBe("1");
});

test("a rule whose expression alone has changed is in force: what a schema makes of words hides it, the words do not", async () => {
  const rules = (first: string) => `{rules: [{when: {expression: ${JSON.stringify(first)}}, to: 2}, {to: 1}]}`;
  await start(modelsWith(rules("header['x-a'] == '1'")));
  expect(await versionAsked({ "x-a": "1" })).toBe("2");
  await change(modelsWith(rules("header['x-a'] == '2'")));
  expect(await versionAsked({ "x-a": "1" })).toBe("1");
  expect(await versionAsked({ "x-a": "2" })).toBe("2");
});

test.each([
  ["a bridge", "x: INPUT0", "x: INPUT1"],
  ["a fixed input", "y: {datatype: FP32, shape: [1], data: [1]}", "y: {datatype: FP32, shape: [1], data: [2]}"],
])("another target is in force when only %s has changed", async (what, before, after) => {
  const seen: string[] = [];
  const own = fakeBackend();
  own.put("there", "1", {
    service: async (request) => {
      seen.push(request.inputs.map(({ name, data }) => `${name} ${[...data]}`).join());
      return wholeReply("there", "1");
    },
  });
  const word = what === "a bridge" ? "inputs" : "fixed";
  const yaml = (it: string) => `backends: {a: {kind: fake}}\nmodels: {m: {backend: a, model: there, ${word}: {${it}}}}`;
  gateway = await startGateway({ yaml: yaml(before), kinds: [own.kind] });
  const body = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[3]}]}';
  const infer = () => gateway!.ask({ path: "/v2/models/m/infer", body });
  await infer();
  await change(yaml(after));
  await infer();
  expect(seen).toHaveLength(2);
  expect(seen[0]).not.toBe(seen[1]);
});

test("a change of one model goes through though another's server tells a signature that does not fit any longer", async () => {
  const own = fakeBackend();
  const spec = (datatype: "FP32" | "FP64"): TensorSpec => ({ name: "x", datatype, shape: [-1] });
  // what the server of a2 tells, which the test changes without a word to anybody
  const told = [spec("FP32")];
  for (const name of ["a1", "a2", "b1"]) {
    const inputs = name === "a2" ? told : [spec("FP32")];
    own.put(name, "1", { service: async () => wholeReply("m", "1"), inputs });
  }
  const yaml = (b: string) => `
backends: {a: {kind: fake}}
models:
  m: {versions: {1: {backend: a, model: a1, version: 1}, 2: {backend: a, model: a2, version: 1}}}
  n: {versions: {1: {backend: a, model: b1, version: 1}, 2: {backend: a, model: ${b}, version: 1}}}`;
  gateway = await startGateway({ yaml: yaml("a1"), kinds: [own.kind] });
  const changeTo = (b: string) => gateway!.running.changes!.put(yaml(b), { who: "test", why: "" });
  told[0] = spec("FP64");
  const misfit =
    'models.m: version 2 on backend "a": input "x": expected FP32 [-1], got FP64 [-1], as version 1 has it';
  // the model that has not changed goes on as it was, and is told of
  const gone = await changeTo("b1");
  expect(gone).toMatchObject({ ok: true, warnings: expect.arrayContaining([misfit]) });
  expect(await versionAsked()).toBe("2");
  // one that is new is held to it, and then nothing has changed
  const refused = await changeTo("a2");
  expect(refused).toEqual({ ok: false, reasons: [misfit.replace("models.m", "models.n")] });
  expect(await versionAsked()).toBe("2");
});
