// Another config while requests are in flight: they finish on the one that they began with, the next ones meet the new one.

import { afterEach, expect, test } from "vitest";
import { loadConfig } from "../../../config/load.ts";
import type { Service } from "../../../core/service.ts";
import { policyKinds } from "../../../policies/registry.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { scripted, wholeReply } from "../../support/scripted.ts";

let gateway: TestGateway | undefined;
afterEach(async () => gateway?.close());

/** Answers nothing but its version, after a turn or two of the loop. */
const answering =
  (model: string): Service =>
  async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return wholeReply(model, "1");
  };

const yamlOf = (model: string, more = "") => `
backends: {a: {kind: fake}}
models: {m: {versions: {1: {backend: a, model: ${model}}, 2: {backend: a, model: ${model}}}}${more}}
`;

function reload(kinds: readonly ReturnType<typeof fakeBackend>["kind"][], yaml: string): Promise<void> {
  const text = `listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}\n${yaml}`;
  const loaded = loadConfig({ text, file: "test.yaml", env: {} }, { backends: kinds, policies: policyKinds });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  return gateway!.running.reload(loaded.config);
}

const infer = async (path = "/v2/models/m/infer") => {
  const answer = await gateway!.ask({ path, body: '{"inputs":[]}' });
  return `${answer.status} ${`${answer.body}`.slice(0, 200)}`;
};

test("a request in flight finishes on the tree that it began with, the next one meets the new tree", async () => {
  const fake = fakeBackend();
  const slow = scripted();
  fake.put("one", "1", { service: slow.service });
  fake.put("two", "1", { service: answering("two") });
  gateway = await startGateway({ yaml: yamlOf("one, version: 1"), kinds: [fake.kind] });
  const before = infer();
  const asked = await slow.handle.next();
  await reload([fake.kind], yamlOf("two, version: 1", ", n: {backend: a, model: two}"));
  expect(await infer()).toContain("200");
  expect(await infer("/v2/models/n/infer")).toContain('"model_name":"n"');
  asked.reply(wholeReply("one", "1"));
  expect(await before).toContain("200");
  expect(asked.request.model.name).toBe("one");
});

test("a config that makes no sense leaves the one in force as it is", async () => {
  const fake = fakeBackend();
  fake.put("one", "1", { service: answering("one") });
  gateway = await startGateway({ yaml: yamlOf("one, version: 1"), kinds: [fake.kind] });
  const broken = { ...fake.kind, open: () => Promise.reject(new Error("cannot be opened")) };
  await expect(
    reload([broken], yamlOf("one, version: 1").replace("{kind: fake}", "{kind: fake}, b: {kind: fake}")),
  ).rejects.toThrow("cannot be opened");
  expect(await infer()).toContain("200");
});

test("ten changes under 50 requests in flight: none fails, none is answered by another model than was in force", async () => {
  const fake = fakeBackend();
  for (let i = 0; i <= 10; i += 1) {
    fake.put(`m${i}`, "1", {
      service: async () => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        return { ...wholeReply("x", "1"), parameters: new Map([["by", `m${i}`]]) };
      },
    });
  }
  const of = (i: number) => yamlOf(`m${i}, version: 1`);
  gateway = await startGateway({ yaml: of(0), kinds: [fake.kind] });
  let at = 0;
  let stop = false;
  const wrong: string[] = [];
  let answered = 0;
  const asker = async () => {
    while (!stop) {
      const from = at;
      const text = await infer();
      const by = Number(/"by":"m(\d+)"/.exec(text)?.[1] ?? Number.NaN);
      answered += 1;
      // the tree in force when it came, or one that came into force while it was on its way
      if (!(by >= from && by <= at + 1)) wrong.push(`${text} between ${from} and ${at}`);
    }
  };
  const askers = Array.from({ length: 50 }, asker);
  for (let i = 1; i <= 10; i += 1) {
    await reload([fake.kind], of(i));
    at = i;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  stop = true;
  await Promise.all(askers);
  expect(wrong).toEqual([]);
  expect(answered).toBeGreaterThan(50);
  expect(await infer()).toContain('"by":"m10"');
});
