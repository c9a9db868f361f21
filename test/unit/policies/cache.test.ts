// The cache as a layer: who is asked, what each caller gets, and what is never kept.

import { describe, expect, it } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { Reply } from "../../../core/request.ts";
import { answerOf, type CacheAsk, ints, openCacheBench, settle } from "../../support/cache.ts";

const input = (...values: readonly number[]): CacheAsk => ({ request: { inputs: [ints("x", values)] } });
const firstOf = (reply: Reply) => (reply.kind === "whole" ? (reply.outputs[0]?.data[0] ?? -1) : -1);
const header = (value: string): CacheAsk => ({ call: { headers: new Map([["cache-control", value]]) } });
const down = () => new InferError("unavailable", "down");

describe("an equal question", () => {
  it("is answered without the model, with its age, until its ttl less a jitter of a tenth is over", async () => {
    const bench = openCacheBench({ words: { ttl: "10s" } });
    const first = await bench.miss({}, answerOf(5));
    expect(first.said()).toBe("miss");
    expect(first.call.trace.facts.cache).toBe("miss");
    bench.env.clock.advance(8_999);
    const second = bench.ask();
    expect(firstOf(await second.answer)).toBe(5);
    expect(second.said()).toBe("hit: 8 s old");
    expect(second.call.trace.facts).toMatchObject({ cache: "hit", ageMs: 8_999 });
    bench.env.clock.advance(1_001);
    const third = await bench.miss({}, answerOf(6));
    expect(third.said()).toBe("miss");
    expect(bench.handle.waiting).toBe(0);
  });

  it("has a copy of the bytes: what the answer lay in may be used again", async () => {
    const bench = openCacheBench();
    const answer = answerOf(5);
    await bench.miss({}, answer);
    answer.outputs[0]?.data.fill(9);
    expect(firstOf(await bench.ask().answer)).toBe(5);
  });

  it("may name its outputs in another order, and gets them in its own", async () => {
    const bench = openCacheBench();
    const both = { ...answerOf(), outputs: [ints("y", [1]), ints("z", [2])] };
    const wanted = (...names: readonly string[]): CacheAsk => ({
      request: { outputs: names.map((name) => ({ name, parameters: new Map() })) },
    });
    await bench.miss(wanted("y", "z"), both);
    const reply = await bench.ask(wanted("z", "y")).answer;
    expect(reply.kind === "whole" && reply.outputs.map(({ name }) => name)).toEqual(["z", "y"]);
  });

  it("is another one once the model is another one, and so is what began before that", async () => {
    const bench = openCacheBench();
    await bench.miss({}, answerOf(5));
    bench.become({ id: "b", portable: true });
    const asking = bench.ask();
    const asked = await bench.handle.next();
    // loaded again under the same name and content while it ran: nobody knows which of the loads has answered
    bench.become({ id: "b", portable: true });
    asked.reply(answerOf(6));
    expect(firstOf(await asking.answer)).toBe(6);
    expect(asking.said()).toBe("miss: not kept, the model was loaded or purged meanwhile");
    expect(firstOf(await (await bench.miss({}, answerOf(7))).answer)).toBe(7);
    expect(firstOf(await bench.ask().answer)).toBe(7);
  });
});

describe("what passes the cache by", () => {
  it.each<readonly [string, CacheAsk, string]>([
    ["a sequence", { call: { sequence: { id: 1n, start: true, end: false } } }, "bypass: a sequence has state"],
    ["a stream", { request: { stream: true } }, "bypass: a stream is wanted"],
    ["no-store", header("no-store"), "bypass: no-store"],
    ["the parameter no-store", { call: { cache: "no-store" } }, "bypass: no-store"],
  ])("is %s: neither given nor kept", async (_what, ask, said) => {
    const bench = openCacheBench();
    expect((await bench.miss(ask, answerOf(5))).said()).toBe(said);
    expect((await bench.miss(ask, answerOf(6))).said()).toBe(said);
    expect(bench.room.shelf("m", 1e6).entries).toBe(0);
  });

  it.each([
    [{ stateful: true }, "bypass: the model has state"],
    [{ decoupled: true }, "bypass: the model answers in streams"],
    [{ random: true }, "bypass: the model is random"],
    [{ inputs: [] }, "bypass: nobody tells the model's inputs"],
  ])("is a model that is %j", async (metadata, said) => {
    const bench = openCacheBench({ metadata });
    expect((await bench.miss({}, answerOf(5))).said()).toBe(said);
    expect((await bench.miss({}, answerOf(6))).said()).toBe(said);
  });

  it.each(["shadow", "probe", "warm-up"] as const)("is a call for a %s, which says nothing of it", async (purpose) => {
    const bench = openCacheBench();
    await bench.miss({}, answerOf(5));
    const asking = await bench.miss({ call: { purpose } }, answerOf(6));
    expect(asking.said()).toBeUndefined();
    expect(firstOf(await bench.ask().answer)).toBe(5);
  });

  it("is a version of which nobody knows what it is made of", async () => {
    const bench = openCacheBench();
    bench.become(undefined);
    expect((await bench.miss({}, answerOf(5))).said()).toBe("bypass: nobody knows what the model is made of");
  });

  it("is an error and a stream of answers: neither is kept", async () => {
    const bench = openCacheBench();
    const failed = bench.ask();
    (await bench.handle.next()).fail(new InferError("invalid-argument", "no"));
    await expect(failed.answer).rejects.toThrow("no");
    const streamed = bench.ask();
    const parts = (async function* () {
      yield answerOf(1);
    })();
    (await bench.handle.next()).reply({ kind: "stream", parts });
    expect((await streamed.answer).kind).toBe("stream");
    expect(streamed.said()).toBe("miss: not kept, a stream");
    expect((await bench.miss({}, answerOf(2))).said()).toBe("miss");
  });
});

describe("a caller's wish", () => {
  it("no-cache asks anew and keeps the new answer", async () => {
    const bench = openCacheBench();
    await bench.miss({}, answerOf(5));
    for (const [i, wish] of [
      header("no-cache"),
      header("max-age=0"),
      { call: { cache: "no-cache" } } as CacheAsk,
    ].entries()) {
      await bench.miss(wish, answerOf(6 + i));
      expect(firstOf(await bench.ask().answer)).toBe(6 + i);
    }
  });

  it("only-if-cached is a hit or 504", async () => {
    const bench = openCacheBench();
    const refused = bench.ask(header("only-if-cached"));
    await expect(refused.answer).rejects.toMatchObject({ code: "deadline-exceeded", origin: "client" });
    await bench.miss({}, answerOf(5));
    expect(firstOf(await bench.ask(header("only-if-cached")).answer)).toBe(5);
    expect(bench.handle.waiting).toBe(0);
  });
});

describe("an answer past its time", () => {
  it("is given while one new one is fetched for all", async () => {
    const bench = openCacheBench({ words: { ttl: "10s", staleWhileRevalidate: "20s" } });
    await bench.miss({}, answerOf(5));
    bench.env.clock.advance(12_000);
    const askings = Array.from({ length: 50 }, () => bench.ask());
    const replies = await Promise.all(askings.map(({ answer }) => answer));
    expect(replies.every((reply) => firstOf(reply) === 5)).toBe(true);
    expect(askings[0]?.said()).toBe("stale: 12 s old");
    const asked = await bench.handle.next();
    expect(bench.handle.waiting).toBe(0);
    asked.reply(answerOf(6));
    await settle();
    const fresh = bench.ask();
    expect(firstOf(await fresh.answer)).toBe(6);
    expect(fresh.said()).toBe("hit: 0 s old");
  });

  it("is given when no new one can be had, and not when the caller is at fault", async () => {
    const bench = openCacheBench({ words: { ttl: "10s", staleIfError: "1m" } });
    await bench.miss({}, answerOf(5));
    bench.env.clock.advance(30_000);
    const saved = bench.ask();
    (await bench.handle.next()).fail(down());
    expect(firstOf(await saved.answer)).toBe(5);
    expect(saved.call.trace.facts.cache).toBe("stale");
    const faulty = bench.ask();
    (await bench.handle.next()).fail(new InferError("invalid-argument", "no"));
    await expect(faulty.answer).rejects.toThrow("no");
    bench.env.clock.advance(41_000);
    const late = bench.ask();
    (await bench.handle.next()).fail(down());
    await expect(late.answer).rejects.toThrow("down");
  });
});

describe("tenants", () => {
  const of = (tenant?: string): CacheAsk => ({ call: tenant === undefined ? {} : { tenant } });

  it("have answers of their own where the cache is by tenant, and none without a name", async () => {
    const bench = openCacheBench({ words: { ttl: "10s", by: "tenant" } });
    await bench.miss(of("a"), answerOf(1));
    await bench.miss(of("b"), answerOf(2));
    expect([firstOf(await bench.ask(of("a")).answer), firstOf(await bench.ask(of("b")).answer)]).toEqual([1, 2]);
    expect((await bench.miss(of(), answerOf(3))).said()).toBe("bypass: no tenant is named");
  });

  it("are purged one by one", async () => {
    const bench = openCacheBench({ words: { ttl: "10s", by: "tenant" } });
    await bench.miss(of("a"), answerOf(1));
    await bench.miss(of("b"), answerOf(2));
    expect(await bench.room.purge({ model: "m", tenant: "a" })).toEqual({ answers: 1, shared: undefined });
    expect(firstOf(await bench.ask(of("b")).answer)).toBe(2);
    expect(firstOf(await (await bench.miss(of("a"), answerOf(3))).answer)).toBe(3);
  });
});

describe("a header that the answer depends on", () => {
  it("is a part of the question, and no other header is", async () => {
    const bench = openCacheBench({ words: { ttl: "10s", headers: ["X-Lang"] } });
    const says = (...headers: readonly (readonly [string, string])[]): CacheAsk => ({
      call: { headers: new Map(headers) },
    });
    await bench.miss(says(["x-lang", "de"]), answerOf(1));
    await bench.miss(says(["x-lang", "fr"]), answerOf(2));
    await bench.miss(says(), answerOf(3));
    const poisoned = says(["x-lang", "de"], ["x-forwarded-host", "evil"], ["x-request-id", "7"]);
    expect(firstOf(await bench.ask(poisoned).answer)).toBe(1);
  });
});

describe("a purge", () => {
  it("forgets what is kept and what is being asked, and nothing else", async () => {
    const bench = openCacheBench();
    await bench.miss(input(1), answerOf(1));
    const under = bench.ask(input(2));
    const asked = await bench.handle.next();
    expect(await bench.room.purge({})).toEqual({ answers: 1, shared: undefined });
    asked.reply(answerOf(2));
    await under.answer;
    expect(under.said()).toBe("miss: not kept, the model was loaded or purged meanwhile");
    expect((await bench.miss(input(1), answerOf(3))).said()).toBe("miss");
    expect((await bench.miss(input(2), answerOf(4))).said()).toBe("miss");
  });

  it("lets nobody who comes after it join a question from before it", async () => {
    const bench = openCacheBench();
    const before = bench.ask();
    const asked = await bench.handle.next();
    await bench.room.purge({ model: "m" });
    const after = await bench.miss({}, answerOf(6));
    asked.reply(answerOf(5));
    expect([firstOf(await before.answer), firstOf(await after.answer)]).toEqual([5, 6]);
  });

  it("of a model without a cache is refused", async () => {
    await expect(openCacheBench().room.purge({ model: "n" })).rejects.toThrow('model "n" has no cache');
  });
});

describe("the metrics", () => {
  it("hear what was done for each request, and what is held", async () => {
    const bench = openCacheBench();
    await bench.miss({}, answerOf(5));
    await bench.ask().answer;
    const states = bench.env.events.flatMap((event) => (event.type === "cache-asked" ? [event.state] : []));
    expect(states).toEqual(["miss", "hit"]);
    expect(bench.env.events.find(({ type }) => type === "cache-size")).toMatchObject({ model: "m", entries: 1 });
  });
});
