// A storm on a model that is full: most of it is refused unread, and what says a priority is read.

import { afterEach, expect, test } from "vitest";
import { unlessAborted } from "../../../core/call.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import type { Answer } from "../../support/http-client.ts";
import { scripted, wholeReply } from "../../support/scripted.ts";

const PATH = "/v2/models/m/infer";
const FULL = 'model "m" has 1 calls, as many as it may';
const UNREAD = 'model "m" has more work than it can do: most of what is asked is refused, and this was not read';

let gateway: TestGateway;

afterEach(() => gateway.close());

test("a storm on a full model is refused unread by the most part, but for what says a priority", async () => {
  const fake = fakeBackend();
  const slow = scripted();
  fake.put("m", "1", { service: (request, call) => unlessAborted(slow.service(request, call), call.signal) });
  const yaml = "backends: {b: {kind: fake}}\nmodels: {m: {backend: b, limit: {concurrency: 1, queue: 0}}}";
  gateway = await startGateway({ yaml, kinds: [fake.kind] });
  const held = gateway.ask({ path: PATH, body: '{"inputs":[]}' });
  const one = await slow.handle.next();
  const ask = (count: number, body = '{"inputs":[]}'): Promise<readonly Answer[]> =>
    Promise.all(Array.from({ length: count }, () => gateway.ask({ path: PATH, body })));
  const said = (answers: readonly Answer[], text: string) =>
    answers.filter((answer) => answer.status === 503 && answer.json().error === text).length;
  // a hundred are read and refused first; on a busy machine they may come too slowly to be a storm
  const storm: Answer[] = [];
  for (let i = 0; i < 20 && said(storm, UNREAD) < 50; i += 1) storm.push(...(await ask(150)));
  expect(said(storm, UNREAD)).toBeGreaterThanOrEqual(50);
  expect(said(storm, FULL) + said(storm, UNREAD)).toBe(storm.length);
  expect(said(storm, FULL)).toBeGreaterThanOrEqual(100);
  expect(storm.every(({ headers }) => headers["retry-after"] === "1")).toBe(true);
  expect(said(await ask(20, '{"inputs":[],"parameters":{"priority":1}}'), FULL)).toBe(20);
  const { sum } = await gateway.metrics();
  expect(sum("sluice_limit_shed_total", { model: "m", reason: "unread" })).toBe(said(storm, UNREAD));
  expect(sum("sluice_requests_total", { model: "m", code: "overloaded" })).toBe(storm.length + 20);
  one.reply(wholeReply("m", "1"));
  expect((await held).status).toBe(200);
});
