// A server that says when to come again gets no requests until then, as long as another may have them.

import { expect, test } from "vitest";
import { InferError } from "../../../../core/error.ts";
import type { Reply } from "../../../../core/request.ts";
import { balance } from "../../../../policies/balance.ts";
import { askAll, named, type Pool, pool } from "../../../support/balanced-pool.ts";
import { fakeEnv } from "../../../support/fake-env.ts";
import { aCall, fakeEndpoint } from "../../../support/fake-pool.ts";
import { requestFor } from "../../../support/scripted.ts";

const busy = (retryAfterMs: number, origin: "backend" | "gateway" = "backend") =>
  new InferError("overloaded", "busy", { origin, retryAfterMs });

/** Asks once; whatever comes of it. */
async function askOnce(all: Pool): Promise<void> {
  const answer = all.ask().catch(() => {});
  all.env.clock.advance(0);
  await answer;
}

/** Two endpoints by turns, the first of which has just asked for a pause. */
async function paused(ms: number, origin?: "backend" | "gateway"): Promise<Pool> {
  const all = pool({ by: "round-robin" }, named("a", "b"));
  all.endpoints[0]!.fault = busy(ms, origin);
  await askOnce(all);
  all.endpoints[0]!.fault = undefined;
  return all;
}

test("gets none until then, and its turn after it", async () => {
  const all = await paused(2000);
  await askAll(all, 10);
  expect(all.given()).toEqual([1, 10]);
  all.env.clock.advance(1999);
  await askAll(all, 10);
  expect(all.given()).toEqual([1, 20]);
  all.env.clock.advance(1);
  await askAll(all, 10);
  expect(all.given()).toEqual([6, 25]);
});

test("is asked all the same where all have asked for a pause, and where it is alone", async () => {
  const all = await paused(2000);
  all.endpoints[1]!.fault = busy(5000);
  await askOnce(all);
  all.endpoints[1]!.fault = undefined;
  await askAll(all, 10);
  expect(all.given()).toEqual([6, 6]);
  const alone = pool({ by: "round-robin" }, named("a"));
  alone.endpoints[0]!.fault = busy(2000);
  await askOnce(alone);
  await askOnce(alone);
  expect(alone.given()).toEqual([2]);
});

test("is asked again after a minute, however long a pause it wants", async () => {
  const all = await paused(86_400_000);
  all.env.clock.advance(59_999);
  await askAll(all, 1);
  expect(all.given()).toEqual([1, 1]);
  all.env.clock.advance(1);
  await askAll(all, 2);
  expect(all.given()).toEqual([2, 2]);
});

test("a refusal of the gateway's own asks nobody to leave the server alone", async () => {
  const all = await paused(2000, "gateway");
  await askAll(all, 10);
  expect(all.given()).toEqual([6, 5]);
});

test("a stream that nobody began to read leaves its endpoint when its caller leaves", async () => {
  const env = fakeEnv();
  const chosen: string[] = [];
  const candidates = ["a", "b"].map((id) => ({
    ...fakeEndpoint({ id }, env).candidate,
    service: async (): Promise<Reply> => {
      chosen.push(id);
      return { kind: "stream", parts: (async function* () {})() };
    },
  }));
  const by = balance.options.parse("least-outstanding");
  const service = balance.build(by, { model: "m", env })({ list: () => candidates });
  const ask = async () => {
    const call = aCall(env);
    await service(requestFor("m"), call);
    return call;
  };
  const first = await ask();
  first.cancel(new InferError("cancelled", "the client left"));
  await ask();
  // nothing was under way at the first any longer, so that it was as good as the other; now something is
  await ask();
  expect(chosen).toEqual(["a", "a", "b"]);
});
