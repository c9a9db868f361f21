// Rows before a store that replicas share: which are found there, what is asked of it, and what of it is not believed.

import { describe, expect, it } from "vitest";
import type { InferRequest, InferResponse } from "../../../../core/request.ts";
import { answerTo, intsOf, POISON, rowsOfInts } from "../../../support/batch-model.ts";
import { type CacheAsk, openCacheBench, settle } from "../../../support/cache.ts";
import { askRows as ask, openRowBench, rows, textOf, wantOf } from "../../../support/cached-rows.ts";
import { seededRandom } from "../../../support/fake-env.ts";
import { requestFor } from "../../../support/scripted.ts";
import { fakeStore } from "../../../support/shared-store.ts";

function replicas(words?: object) {
  const store = fakeStore();
  const open = () => openRowBench({ second: store.level, ...(words === undefined ? {} : { words }) });
  return { store, a: open(), b: open() };
}

const wish = (cache: "no-cache" | "only-if-cached", what: CacheAsk) => ({ ...what, call: { cache } });

describe("rows that another replica has asked for", () => {
  it("are found by one round trip for all of them, and the model is asked for the others only", async () => {
    const { store, a, b } = replicas();
    await ask(a, rows(1, 2, 3));
    b.env.clock.advance(2_000);
    [store.asked, store.keys] = [0, 0];
    expect(await ask(b, rows(3, 4, 1, 4))).toMatchObject({
      asked: [4],
      text: wantOf([3, 4, 1, 4]),
      said: "miss: 2 of 4 rows were kept",
      facts: { askedRows: 1 },
    });
    expect([store.asked, store.keys]).toEqual([1, 3]);
    expect(await ask(b, rows(2))).toMatchObject({ asked: [], text: wantOf([2]), said: "hit: 2 s old" });
    // all of them are in its own memory now, and the one that it asked for is in the other's reach
    store.asked = 0;
    expect(await ask(b, rows(1, 2, 3, 4))).toMatchObject({ asked: [], said: "hit: 2 s old: 4 rows" });
    expect(store.asked).toBe(0);
    expect(await ask(a, rows(4, 1))).toMatchObject({ asked: [], text: wantOf([4, 1]) });
  });

  it("are hits when all of them were there, with the age of the oldest", async () => {
    const { a, b } = replicas();
    await ask(a, rows(1));
    for (const { env } of [a, b]) env.clock.advance(3_000);
    await ask(a, rows(2, 3));
    expect(await ask(b, rows(3, 2, 1))).toMatchObject({
      asked: [],
      text: wantOf([3, 2, 1]),
      said: "hit: 3 s old: 3 rows",
      facts: { cache: "hit", ageMs: 3_000, askedRows: 0 },
    });
  });

  it("are enough for only-if-cached, and passed by for no-cache, which keeps the new answers there", async () => {
    const { store, a, b } = replicas();
    await ask(a, rows(1, 2));
    expect(await ask(b, wish("only-if-cached", rows(2, 1)))).toMatchObject({ asked: [], text: wantOf([2, 1]) });
    await expect(ask(b, wish("only-if-cached", rows(2, 3)))).rejects.toThrow("some rows are not kept");
    store.keys = 0;
    expect(await ask(b, wish("no-cache", rows(1, 5)))).toMatchObject({ asked: [1, 5] });
    expect(store.keys).toBe(0);
    expect(await ask(a, rows(5, 1))).toMatchObject({ asked: [] });
  });

  it("are given no longer than their ttl", async () => {
    const { a, b } = replicas();
    await ask(a, rows(1, 2));
    b.env.clock.advance(10_001);
    expect(await ask(b, rows(1, 2))).toMatchObject({ asked: [1, 2] });
  });

  it("are looked up once for a crowd", async () => {
    const { store, b } = replicas();
    const crowd = Array.from({ length: 100 }, () => b.ask(rows(1, 2)));
    await settle();
    const { request, reply } = await b.handle.next();
    reply(answerTo(request));
    for (const { answer } of crowd) expect(textOf(await answer)).toEqual(wantOf([1, 2]));
    expect([store.asked, b.handle.waiting]).toEqual([1, 0]);
  });

  it("are each tenant's own where the cache is by tenant", async () => {
    const { a, b } = replicas({ ttl: "10s", rows: true, by: "tenant" });
    const of = (tenant: string, ...values: readonly number[]) => ({ ...rows(...values), call: { tenant } });
    await ask(a, of("acme", 1, 2));
    expect(await ask(b, of("acme", 2, 1))).toMatchObject({ asked: [] });
    expect(await ask(b, of("other", 2, 1))).toMatchObject({ asked: [2, 1] });
    await a.room.purge({ model: "m", tenant: "acme" });
    expect(await ask(b, of("acme", 2, 1))).toMatchObject({ asked: [2, 1] });
    expect(await ask(a, of("other", 1, 2))).toMatchObject({ asked: [] });
  });
});

describe("rows in the store", () => {
  it("are gone for every replica after a purge on one, also those that were being asked", async () => {
    const { store, a, b } = replicas();
    await ask(a, rows(1, 2));
    const asking = a.ask(rows(3, 4));
    const { request, reply } = await a.handle.next();
    await b.room.purge({ model: "m" });
    reply(answerTo(request));
    await asking.answer;
    expect(await ask(b, rows(1, 2, 3, 4))).toMatchObject({ asked: [1, 2, 3, 4] });
    expect(store.values.size).toBe(4);
  });

  it("are misses where they are another's, one by one, and each is counted", async () => {
    const { store, a, b } = replicas();
    await ask(a, rows(1, 2, 3));
    let n = 0;
    store.spoil = (stored) => {
      n += 1;
      return n === 2 ? { ...stored, proof: Uint8Array.from(stored.proof, (byte) => byte ^ 1) } : stored;
    };
    expect(await ask(b, rows(1, 2, 3))).toMatchObject({ asked: [2], text: wantOf([1, 2, 3]) });
    expect(b.env.events.filter((event) => event.type === "cache-dropped" && event.why === "collision")).toHaveLength(1);
  });

  it("are neither read nor written while it is away, and no request suffers", async () => {
    const { store, a, b } = replicas();
    store.away = true;
    expect(await ask(a, rows(1, 2))).toMatchObject({ asked: [1, 2], text: wantOf([1, 2]) });
    expect(await ask(a, rows(2, 1))).toMatchObject({ asked: [], text: wantOf([2, 1]) });
    expect(store.values.size).toBe(0);
    store.away = false;
    expect(await ask(b, rows(1, 2))).toMatchObject({ asked: [1, 2] });
  });

  it("are not asked for where only this process knows since when the model is what it is", async () => {
    const { store, a } = replicas();
    a.become({ id: "a", portable: false });
    expect(await ask(a, rows(1, 2))).toMatchObject({ asked: [1, 2] });
    expect([store.asked, store.values.size]).toEqual([0, 0]);
    expect(store.unwatched).toEqual([{ model: "m" }]);
  });

  it("are never put together with those of a model that came meanwhile", async () => {
    const { a, b } = replicas();
    await ask(a, rows(1, 2));
    const asking = b.ask(rows(1, 2, 3));
    const first = await b.handle.next();
    expect(first.request.inputs.flatMap(intsOf)).toEqual([3]);
    b.become({ id: "b", portable: true });
    first.reply(answerTo(first.request));
    const again = await b.handle.next();
    expect(again.request.inputs.flatMap(intsOf)).toEqual([1, 2, 3]);
    again.reply(answerTo(again.request));
    expect(textOf(await asking.answer)).toEqual(wantOf([1, 2, 3]));
    expect(asking.said()).toBe("miss: 0 of 3 rows were kept");
  });

  it("are not there when the model refused the others", async () => {
    const { store, a } = replicas();
    const asking = a.ask(rows(1, POISON));
    const { request, fail } = await a.handle.next();
    expect(() => answerTo(request)).toThrow("poison");
    fail(new Error("poison"));
    await expect(asking.answer).rejects.toThrow();
    expect(store.values.size).toBe(0);
  });

  it("are looked up only as far as one round trip should carry, by the size of the last one", async () => {
    const store = fakeStore();
    const wide = { outputs: [{ name: "y", datatype: "INT32" as const, shape: [-1, -1] }] };
    const [a, b] = [0, 1].map(() => openRowBench({ second: store.level, metadata: wide, room: { maxBytes: 2 ** 26 } }));
    if (a === undefined || b === undefined) throw new Error("expected two");
    const values = Array.from({ length: 16 }, (_, n) => n * 100_000);
    const large = (from: number): CacheAsk => ({ request: { inputs: [rowsOfInts(values.slice(from), 25_000)] } });
    const answered = async (bench: typeof a, what: CacheAsk) => {
      const asking = bench.ask(what);
      for (let n = 0; n < 50; n += 1) await settle();
      if (bench.handle.waiting > 0) {
        const { request, reply } = await bench.handle.next();
        reply({ ...answerTo(request), outputs: answerTo(request).outputs.slice(0, 1) });
      }
      return await asking.answer;
    };
    await answered(a, large(0));
    store.keys = 0;
    // nothing is known yet
    await answered(b, large(14));
    expect(store.keys).toBe(2);
    store.keys = 0;
    await answered(b, large(0));
    // of 14 rows of 100 KB so many as half a mebibyte holds
    expect(store.keys).toBe(6);
  });
});

it("one question and its rows are kept apart where the cache does not look rows up", async () => {
  const store = fakeStore();
  const whole = openCacheBench({ second: store.level });
  const b = openRowBench({ second: store.level });
  const asking = whole.ask(rows(1, 2));
  const { request, reply } = await whole.handle.next();
  reply(answerTo(request));
  await asking.answer;
  expect(await ask(b, rows(1, 2))).toMatchObject({ asked: [1, 2] });
});

/** What a model of that factor says of the rows. */
function answerBy(request: InferRequest, factor: number): InferResponse {
  const reply = answerTo(request);
  const [x] = request.inputs;
  const y = { ...rowsOfInts((x === undefined ? [] : intsOf(x)).map((value) => value * factor)), name: "y" };
  return { ...reply, outputs: [y, ...reply.outputs.slice(1)] };
}

/** Two replicas at random, over a store that is away, wrong and purged now and then; `wrongs` counts other answers than the model's. */
async function run(believed: boolean) {
  const { store, a, b } = replicas({ ttl: "3s", rows: true });
  const random = seededRandom(5);
  const count = { rows: 0, asked: 0, wrongs: 0 };
  const factors = new Map([
    [a, 1],
    [b, 1],
  ]);
  for (let n = 0; n < 1_500; n += 1) {
    const bench = random() < 0.5 ? a : b;
    const chance = random();
    if (chance < 0.02) await bench.room.purge({});
    else if (chance < 0.06) store.away = !store.away;
    else if (chance < 0.1) {
      const factor = 1 + Math.floor(random() * 3);
      factors.set(bench, factor);
      // what is not told apart is one model to the cache
      bench.become({ id: believed ? `${factor}` : "one", portable: true });
    }
    store.spoil = (stored) => (random() < 0.1 ? { ...stored, proof: new Uint8Array(64) } : stored);
    for (const { env } of [a, b]) env.clock.advance(random() * 50);
    const values = Array.from({ length: 1 + Math.floor(random() * 6) }, () => Math.floor(random() * 30));
    const asking = bench.ask(rows(...values));
    await settle();
    const factor = factors.get(bench) ?? 1;
    if (bench.handle.waiting > 0) {
      const { request, reply } = await bench.handle.next();
      count.asked += request.inputs.flatMap(intsOf).length;
      reply(answerBy(request, factor));
    }
    const want = textOf(answerBy(requestFor("m", { inputs: [rowsOfInts(values)] }), factor));
    if (`${textOf(await asking.answer)}` !== `${want}`) count.wrongs += 1;
    count.rows += values.length;
  }
  return count;
}

describe("a random run of two replicas", () => {
  it("has the same answers as without a cache, and their models fewer rows", async () => {
    const { rows: sent, asked, wrongs } = await run(true);
    expect(wrongs).toBe(0);
    expect(asked).toBeLessThan(sent / 2);
    expect(asked).toBeGreaterThan(100);
  });

  it("would not, were two models taken for one", async () => {
    expect((await run(false)).wrongs).toBeGreaterThan(50);
  });
});
