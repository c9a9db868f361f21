// Ten changes of a config under 500 requests at once: none fails, none is answered by a version that was not in force for it.

import { afterEach, expect, test } from "vitest";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { ask } from "../../support/http-client.ts";
import { wholeReply } from "../../support/scripted.ts";

let gateway: TestGateway | undefined;
afterEach(async () => gateway?.close());

const ASKERS = 500;
const CHANGES = 10;

/** Each version's answers say which it was; an answer takes a turn of the loop. */
function numbered() {
  const fake = fakeBackend();
  for (let i = 0; i <= CHANGES; i += 1) {
    fake.put(`m${i}`, "1", {
      service: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return { ...wholeReply("x", "1"), parameters: new Map([["by", i]]) };
      },
    });
  }
  return fake;
}

const configOf = (i: number) => `listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}
backends: {a: {kind: fake}}
models: {m: {versions: {1: {backend: a, model: m${i}, version: 1}}}, same: {backend: a, model: m0}}
`;

/** Which version has answered; undefined for anything else. */
async function answeredBy(): Promise<number | undefined> {
  const answer = await gateway!.ask({ path: "/v2/models/m/infer", body: '{"inputs":[]}' });
  if (answer.status !== 200) return undefined;
  return (JSON.parse(`${answer.body}`) as { readonly parameters: { readonly by: number } }).parameters.by;
}

test("ten changes under 500 requests at once: 0 failed, 0 by a wrong version, in force for the first request after each", async () => {
  gateway = await startGateway({ yaml: configOf(0), kinds: [numbered().kind] });
  // what has been asked for, and what has been accepted: a request may meet all that lie between
  let asked = 0;
  let accepted = 0;
  let stop = false;
  let failed = 0;
  let wrong = 0;
  let answered = 0;
  const asker = async () => {
    while (!stop) {
      const from = accepted;
      const by = await answeredBy();
      answered += 1;
      if (by === undefined) failed += 1;
      else if (by < from || by > asked) wrong += 1;
    }
  };
  const askers = Array.from({ length: ASKERS }, asker);
  const stale: number[] = [];
  for (let i = 1; i <= CHANGES; i += 1) {
    const before = answered;
    while (answered < before + ASKERS) await new Promise((resolve) => setImmediate(resolve));
    asked = i;
    const change = await ask({ port: gateway.adminPort, method: "POST", path: "/admin/config", body: configOf(i) });
    expect(change.status).toBe(200);
    accepted = i;
    const first = await answeredBy();
    if (first !== i) stale.push(i);
  }
  stop = true;
  await Promise.all(askers);
  expect({ failed, wrong, stale }).toEqual({ failed: 0, wrong: 0, stale: [] });
  expect(answered).toBeGreaterThan(ASKERS * CHANGES);
}, 60_000);

test("a change is in force when it is answered, without a wait", async () => {
  gateway = await startGateway({ yaml: configOf(0), kinds: [numbered().kind] });
  const took: number[] = [];
  for (let i = 1; i <= CHANGES; i += 1) {
    const { changes } = gateway.running;
    const done = await changes!.put(configOf(i), { who: "test", why: "" });
    const accepted = performance.now();
    expect(done.ok).toBe(true);
    expect(await answeredBy()).toBe(i);
    took.push(performance.now() - accepted);
  }
  // the whole way of a request included; the least of ten, as this machine does other things too
  expect(Math.min(...took)).toBeLessThan(10);
});
