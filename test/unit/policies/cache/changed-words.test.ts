// Answers that were kept under other words: before a change of the config, or by a replica that has another config.

import { describe, expect, it } from "vitest";
import { type CallInit, openCall } from "../../../../core/call.ts";
import type { Identity, ModelMetadata } from "../../../../core/model.ts";
import { openRoom } from "../../../../policies/cache/room.ts";
import { cacheWords } from "../../../../policies/cache/words.ts";
import { cacheLayer } from "../../../../policies/cache.ts";
import { runAtOnce } from "../../../support/batch.ts";
import { answerOf, ints, SECRET } from "../../../support/cache.ts";
import { fakeEnv } from "../../../support/fake-env.ts";
import { requestFor } from "../../../support/scripted.ts";

const METADATA: ModelMetadata = {
  name: "m",
  version: "1",
  versions: ["1"],
  platform: "fake",
  inputs: [{ name: "x", datatype: "INT32", shape: [-1] }],
  outputs: [{ name: "y", datatype: "INT32", shape: [-1] }],
  stateful: false,
};

/** One room, and a cache in it for each change of the words; every run of the model gives another answer. */
function changing() {
  const env = fakeEnv();
  const room = openRoom({ maxBytes: 2 ** 20, secret: SECRET, clock: env.clock, emit: env.emit });
  room.retain(new Set(["m"]));
  const model = { runs: 0, identity: { id: "a", portable: true } as Identity, metadata: METADATA };
  const under = (words: unknown) => {
    const cached = cacheLayer(cacheWords.parse(words), {
      model: "m",
      version: "1",
      env,
      candidates: { list: () => [] },
      signature: async () => model.metadata,
      identity: () => model.identity,
      run: runAtOnce,
      room,
    })(async () => {
      model.runs += 1;
      return answerOf(model.runs);
    });
    return async (init: Partial<CallInit> = {}) => {
      const call = openCall({ id: "1", traceparent: "", clock: env.clock, protocol: "test", ...init });
      await cached(requestFor("m", { inputs: [ints("x", [1])] }), call);
      call.end();
      return call.trace.facts.cache;
    };
  };
  return { env, room, model, under };
}

describe("an answer that was kept under other words", () => {
  it("is not given for a header of another name that has the same value", async () => {
    const { under } = changing();
    const byLanguage = under({ ttl: "1h", headers: ["x-lang"] });
    const byMode = under({ ttl: "1h", headers: ["x-mode"] });
    const headers = new Map([
      ["x-lang", "a"],
      ["x-mode", "a"],
    ]);
    expect(await byLanguage({ headers })).toBe("miss");
    expect(await byLanguage({ headers })).toBe("hit");
    expect(await byMode({ headers })).toBe("miss");
  });

  it("is not given where the headers or the tenant count now and did not before, or the other way round", async () => {
    const { under } = changing();
    const caller = { headers: new Map([["x-lang", "a"]]), tenant: "a" };
    const all = [{ ttl: "1h" }, { ttl: "1h", headers: ["x-lang"] }, { ttl: "1h", by: "tenant" }].map(under);
    for (const ask of all) expect(await ask(caller)).toBe("miss");
    for (const ask of all) expect(await ask(caller)).toBe("hit");
  });

  it("is given no longer than the ttl in force now says", async () => {
    const { env, under } = changing();
    const long = under({ ttl: "1h" });
    const short = under({ ttl: "10s", staleIfError: "20s" });
    expect(await long()).toBe("miss");
    env.clock.advance(9_000);
    expect(await short()).toBe("hit");
    env.clock.advance(2_000);
    expect(await long()).toBe("hit");
    expect(await short()).toBe("miss");
  });

  it("is not made older by a longer ttl: what was kept for 10 seconds ends then", async () => {
    const { env, under } = changing();
    expect(await under({ ttl: "10s" })()).toBe("miss");
    env.clock.advance(11_000);
    expect(await under({ ttl: "1h" })()).toBe("miss");
  });
});

describe("a model that was replaced", () => {
  it.each([
    ["keeps state", { stateful: true }],
    ["draws random numbers", { random: true }],
    ["answers in streams", { decoupled: true }],
    ["tells no inputs", { inputs: [] }],
  ])("by one that %s has nothing kept from its first request on", async (_what, words) => {
    const { model, under } = changing();
    const ask = under({ ttl: "1h" });
    expect([await ask(), await ask()]).toEqual(["miss", "hit"]);
    // in the same moment: what was known of the old one must not count for the new one
    model.metadata = { ...METADATA, ...words };
    model.identity = { id: "b", portable: true };
    expect([await ask(), await ask()]).toEqual(["bypass", "bypass"]);
  });
});
