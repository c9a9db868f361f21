// The cache before a store that replicas share: what is asked of it, what is believed, and what it cannot break.

import { describe, expect, it } from "vitest";
import type { Reply } from "../../../../core/request.ts";
import type { StoredAnswer } from "../../../../policies/cache/second-level.ts";
import { answerOf, openCacheBench, settle } from "../../../support/cache.ts";
import { fakeStore } from "../../../support/shared-store.ts";

const firstOf = (reply: Reply) => (reply.kind === "whole" ? (reply.outputs[0]?.data[0] ?? -1) : -1);

describe("two replicas over one store", () => {
  it("compute a question once, with its true age, and then each has it in its memory", async () => {
    const store = fakeStore();
    const [a, b] = [openCacheBench({ second: store.level }), openCacheBench({ second: store.level })];
    await a.miss({}, answerOf(5));
    b.env.clock.advance(3_000);
    const asking = b.ask();
    expect(firstOf(await asking.answer)).toBe(5);
    expect(asking.said()).toBe("hit: 3 s old");
    expect(b.handle.waiting).toBe(0);
    const { asked } = store;
    await b.ask().answer;
    expect(store.asked).toBe(asked);
  });

  it("both forget what is purged at one of them", async () => {
    const store = fakeStore();
    const [a, b] = [openCacheBench({ second: store.level }), openCacheBench({ second: store.level })];
    await a.miss({}, answerOf(5));
    await b.ask().answer;
    expect(await a.room.purge({ model: "m" })).toEqual({ answers: 1, shared: true });
    expect((await b.miss({}, answerOf(6))).said()).toBe("miss");
    expect(firstOf(await a.ask().answer)).toBe(6);
  });

  it("never keep under the new generation what was begun under the old one", async () => {
    const store = fakeStore();
    const [a, b] = [openCacheBench({ second: store.level }), openCacheBench({ second: store.level })];
    const asking = a.ask();
    const asked = await a.handle.next();
    await store.level.raise({ model: "m" });
    asked.reply(answerOf(5));
    await asking.answer;
    expect((await b.miss({}, answerOf(6))).said()).toBe("miss");
  });

  it("ask it once for a crowd", async () => {
    const store = fakeStore();
    const bench = openCacheBench({ second: store.level });
    const askings = Array.from({ length: 100 }, () => bench.ask());
    const asked = await bench.handle.next();
    await settle();
    asked.reply(answerOf(5));
    await Promise.all(askings.map(({ answer }) => answer));
    expect(store.asked).toBe(1);
  });
});

describe("a store", () => {
  it("that is away costs an answer nothing, and nothing is sent to it without a generation", async () => {
    const store = fakeStore();
    store.away = true;
    const bench = openCacheBench({ second: store.level });
    await bench.miss({}, answerOf(5));
    expect(store.values.size).toBe(0);
    expect((await bench.ask().answer) !== undefined).toBe(true);
    expect(await bench.room.purge({})).toEqual({ answers: 1, shared: false });
  });

  it("that gives another question's answer is not believed", async () => {
    const store = fakeStore();
    const [a, b] = [openCacheBench({ second: store.level }), openCacheBench({ second: store.level })];
    await a.miss({}, answerOf(5));
    const spoils: readonly ((stored: StoredAnswer) => StoredAnswer)[] = [
      (stored) => ({ ...stored, proof: Uint8Array.from(stored.proof, (byte) => byte ^ 1) }),
      (stored) => ({ ...stored, head: `${stored.head} ` }),
      (stored) => ({ ...stored, proof: stored.proof.subarray(1) }),
    ];
    for (const spoil of spoils) {
      store.spoil = spoil;
      const wish = { call: { cache: "only-if-cached" as const } };
      await expect(b.ask(wish).answer).rejects.toThrow("no answer is kept");
    }
    expect(b.env.events.filter((event) => event.type === "cache-dropped" && event.why === "collision").length).toBe(3);
  });

  it("is not asked about a model of which only this process knows since when it is what it is", async () => {
    const store = fakeStore();
    const bench = openCacheBench({ second: store.level });
    bench.become({ id: "a", portable: false });
    await bench.miss({}, answerOf(5));
    expect([store.asked, store.values.size]).toEqual([0, 0]);
    // it must tell nevertheless when a purge of it may have gone unheard
    expect(store.unwatched).toEqual([{ model: "m" }]);
    expect(firstOf(await bench.ask().answer)).toBe(5);
    await store.level.raise({ model: "m" });
    expect((await bench.miss({}, answerOf(6))).said()).toBe("miss");
  });

  it("keeps nothing past its ttl that is given", async () => {
    const store = fakeStore();
    const [a, b] = [openCacheBench({ second: store.level }), openCacheBench({ second: store.level })];
    await a.miss({}, answerOf(5));
    b.env.clock.advance(10_001);
    expect((await b.miss({}, answerOf(6))).said()).toBe("miss");
  });
});
