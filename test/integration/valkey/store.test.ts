// The shared store against a real server: what replicas share, and what they see of a store that is away, full or wrong.

import { afterEach, describe, expect, it, vi } from "vitest";
import type { Event } from "../../../core/event.ts";
import type { InferResponse } from "../../../core/request.ts";
import { openStore } from "../../../gateway/store.ts";
import { openValkey } from "../../../gateway/valkey.ts";
import type { Place, Places, StoredAnswer } from "../../../policies/cache/second-level.ts";
import { seededRandom } from "../../support/fake-env.ts";
import { hasValkey } from "../../support/valkey-server.ts";
import { closeAll, closing, environment, PATIENT_MS, type Replica, replica, secret, server } from "./replica.ts";

afterEach(closeAll);

const WAIT = { timeout: 10_000 };

const place = (name: string, tenant?: string): Place => ({
  key: Buffer.from(name.padEnd(32, ".")),
  scopes: [{ model: "digits" }, ...(tenant === undefined ? [] : [{ model: "digits", tenant }])],
});

function answer(bytes: number): StoredAnswer {
  const random = seededRandom(bytes);
  const data = Uint8Array.from({ length: bytes }, () => Math.floor(random() * 256));
  const reply: InferResponse = {
    kind: "whole",
    model: { name: "digits", version: "1" },
    outputs: [{ name: "y", datatype: "UINT8", shape: [bytes], data }],
    parameters: new Map(),
  };
  const proof = new Uint8Array(64).fill(5);
  return { answer: reply, head: "x FP32[1] 4;", proof, madeAt: Date.now(), freshMs: 60_000, keepMs: 60_000 };
}

/** Kept by the replica, and there. */
async function keep(at: Replica, where: Place, stored: StoredAnswer): Promise<void> {
  const look = await at.answers.get(where);
  if (look === undefined) throw new Error("expected generations");
  at.answers.set(where, look.generations, stored);
  await vi.waitFor(async () => expect((await at.answers.get(where))?.stored).toBeDefined(), { timeout: 10_000 });
}

const count = (at: Replica, type: Event["type"]) => at.events.filter((event) => event.type === type).length;

describe.skipIf(!hasValkey)("the shared store (needs valkey-server or redis-server)", { timeout: 60_000 }, () => {
  it("gives one replica the answer that another has kept, byte for byte", async () => {
    const at = await server();
    const [a, b] = [await replica(at), await replica(at)];
    for (const bytes of [0, 40, 5_000, 600_000]) {
      const stored = answer(bytes);
      await keep(a, place(`of ${bytes}`), stored);
      const found = (await b.answers.get(place(`of ${bytes}`)))?.stored;
      expect(found?.head).toBe(stored.head);
      expect(Buffer.compare(found?.proof ?? Buffer.alloc(0), stored.proof)).toBe(0);
      expect([found?.madeAt, found?.freshMs, found?.keepMs]).toEqual([stored.madeAt, 60_000, 60_000]);
      const [output] = found?.answer.outputs ?? [];
      expect(output?.shape).toEqual([bytes]);
      expect(Buffer.compare(output?.data ?? Buffer.alloc(1), stored.answer.outputs[0]?.data ?? Buffer.alloc(2))).toBe(
        0,
      );
    }
  });

  it("gives nothing for another question, and nothing that was kept under another generation", async () => {
    const a = await replica(await server());
    await keep(a, place("one"), answer(40));
    const look = await a.answers.get(place("two"));
    expect(look?.stored).toBeUndefined();
    expect(look?.generations).toHaveLength(1);
    // of the same digest, but kept for a tenant
    expect((await a.answers.get(place("one", "acme")))?.stored).toBeUndefined();
  });

  it("lets every replica read one and the same name for a new generation", async () => {
    const at = await server();
    const replicas = [await replica(at), await replica(at), await replica(at)];
    const looks = await Promise.all(
      Array.from({ length: 30 }, (_, i) => replicas[i % 3]?.answers.get(place("new", "acme"))),
    );
    expect(new Set(looks.map((look) => look?.generations.join())).size).toBe(1);
    expect(looks[0]?.generations).toHaveLength(2);
  });

  it("hides from every replica what was kept before a purge on one, and tells each of it", async () => {
    const at = await server();
    const [a, b] = [await replica(at), await replica(at)];
    const heard: string[] = [];
    b.answers.onRaise(({ model, tenant }) => heard.push(`${model} ${tenant}`));
    await keep(a, place("one"), answer(40));
    await keep(a, place("acme's", "acme"), answer(40));
    await keep(a, place("other's", "other"), answer(40));

    await vi.waitFor(async () => {
      expect(await a.answers.raise({ model: "digits", tenant: "acme" })).toBe(true);
      expect(heard).toContain("digits acme");
    });
    expect((await b.answers.get(place("acme's", "acme")))?.stored).toBeUndefined();
    expect((await b.answers.get(place("other's", "other")))?.stored).toBeDefined();
    expect((await b.answers.get(place("one")))?.stored).toBeDefined();

    expect(await a.answers.raise({ model: "digits" })).toBe(true);
    await vi.waitFor(() => expect(heard).toContain("digits undefined"));
    expect((await b.answers.get(place("other's", "other")))?.stored).toBeUndefined();
    expect((await b.answers.get(place("one")))?.stored).toBeUndefined();
  });

  it("never finds an answer that was begun before a purge and kept after it", async () => {
    const at = await server();
    const [a, b] = [await replica(at), await replica(at)];
    const before = await a.answers.get(place("slow"));
    expect(await b.answers.raise({ model: "digits" })).toBe(true);
    a.answers.set(place("slow"), before?.generations ?? [], answer(40));
    // what is kept afterwards goes out behind it
    await keep(a, place("after"), answer(40));
    expect((await b.answers.get(place("slow")))?.stored).toBeUndefined();
    expect(count(a, "store-refused")).toBe(0);
  });

  it("tells a replica that was cut off what was purged meanwhile, as soon as it is back", async () => {
    const at = await server();
    const a = await replica(at);
    const heard: string[] = [];
    a.answers.onRaise(({ model }) => heard.push(model));
    await keep(a, place("one"), answer(40));
    // all that it kept is gone, generations and all
    await at.kill();
    // of these it never had a generation: one is not shared, and of the other it could not be told
    a.answers.unwatched([{ model: "elsewhere" }]);
    expect(await a.answers.get({ ...place("one"), scopes: [{ model: "late" }] })).toBeUndefined();
    expect(heard).toEqual([]);
    await at.start();
    await vi.waitFor(() => expect([...heard].sort()).toEqual(["digits", "elsewhere", "late"]), { timeout: 20_000 });
    await vi.waitFor(async () => expect((await a.answers.get(place("one")))?.generations).toHaveLength(1), {
      timeout: 20_000,
    });
  });

  it("takes a value that was changed, cut short or put under another key for none, and counts each", async () => {
    const at = await server();
    const a = await replica(at);
    await keep(a, place("one"), answer(5_000));
    await keep(a, place("two"), answer(5_000));
    const { env } = environment();
    const raw = openValkey({ valkey: at.url, timeoutMs: PATIENT_MS }, env);
    closing.push(raw.close);
    await vi.waitFor(() => expect(raw.available()).toBe(true), { timeout: 10_000 });
    const keyOf = (name: string) => `test:a:${Buffer.from(name.padEnd(32, ".")).toString("base64url")}`;
    const [value] = (await raw.ask([["GET", keyOf("one")]])) ?? [];
    if (!(value instanceof Uint8Array)) throw new Error("expected a value");
    const changed = Uint8Array.from(value);
    changed[200] = (changed[200] ?? 0) ^ 1;
    const wrong = [changed, value.subarray(0, 100), value.subarray(0, value.byteLength - 1), new Uint8Array(), "hello"];
    for (const one of wrong) {
      await raw.ask([["SET", keyOf("one"), one, "PX", 60_000]]);
      expect((await a.answers.get(place("one")))?.stored).toBeUndefined();
    }
    expect(count(a, "store-spoiled")).toBe(5);
    await raw.ask([["SET", keyOf("two"), value, "PX", 60_000]]);
    expect((await a.answers.get(place("two")))?.stored).toBeUndefined();
    expect(count(a, "store-spoiled")).toBe(6);
    await raw.ask([["SET", keyOf("one"), value, "PX", 60_000]]);
    expect((await a.answers.get(place("one")))?.stored).toBeDefined();
  });

  it("gives one replica the rows that another has kept, in one round trip, without those that were changed", async () => {
    const at = await server();
    const [a, b] = [await replica(at), await replica(at)];
    const names = Array.from({ length: 300 }, (_, n) => `row ${n}`);
    const places: Places = { ...place("row", "acme"), keys: names.map((name) => place(name).key) };
    const look = await a.answers.getAll({ ...places, keys: [] });
    const rows = names.map((_, n) => answer(n));
    a.answers.setAll(places, look?.generations ?? [], rows);
    const found = async (on: Replica) => (await on.answers.getAll(places))?.stored.map((one) => one?.answer.outputs[0]);
    const want = rows.map((one) => one.answer.outputs[0]?.data.toString());
    await vi.waitFor(async () => expect((await found(a))?.every((one) => one !== undefined)).toBe(true), WAIT);
    const before = count(b, "store-asked");
    expect((await found(b))?.map((one) => Uint8Array.from(one?.data ?? []).toString())).toEqual(want);
    expect(count(b, "store-asked")).toBe(before + 1);
    const { env } = environment();
    const raw = openValkey({ valkey: at.url, timeoutMs: PATIENT_MS }, env);
    closing.push(raw.close);
    await vi.waitFor(() => expect(raw.available()).toBe(true), { timeout: 10_000 });
    const keyOf = (n: number) => `test:a:${Buffer.from(places.keys[n] ?? []).toString("base64url")}`;
    const [value] = (await raw.ask([["GET", keyOf(7)]])) ?? [];
    if (!(value instanceof Uint8Array)) throw new Error("expected a value");
    const changed = Uint8Array.from(value);
    changed[60] = (changed[60] ?? 0) ^ 1;
    await raw.ask([
      ["SET", keyOf(7), changed, "PX", 60_000],
      ["SET", keyOf(8), value, "PX", 60_000],
      ["SET", keyOf(9), value.subarray(0, 30), "PX", 60_000],
      ["UNLINK", keyOf(10)],
    ]);
    const missing = (await found(b))?.flatMap((one, n) => (one === undefined ? [n] : []));
    expect(missing).toEqual([7, 8, 9, 10]);
    expect(count(b, "store-spoiled")).toBe(3);
    expect(await a.answers.raise({ model: "digits", tenant: "acme" })).toBe(true);
    expect((await found(b))?.every((one) => one === undefined)).toBe(true);
  });

  it("gives every key an end", async () => {
    const at = await server();
    const a = await replica(at);
    await keep(a, place("one", "acme"), answer(40));
    await a.counts.add("quota", 1, 1_000);
    const { env } = environment();
    const raw = openValkey({ valkey: at.url, timeoutMs: PATIENT_MS }, env);
    closing.push(raw.close);
    await vi.waitFor(() => expect(raw.available()).toBe(true), { timeout: 10_000 });
    const [keys] = (await raw.ask([["KEYS", "*"]])) ?? [];
    const names = Array.isArray(keys) ? keys.map(String) : [];
    expect(names).toHaveLength(4);
    const ends = (await raw.ask(names.map((name) => ["PTTL", name]))) ?? [];
    expect(ends.every((end) => typeof end === "number" && end > 0)).toBe(true);
  });

  it("goes on without a store that is full, still reads from it, and can still purge", async () => {
    const a = await replica(await server(["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]));
    await keep(a, place("first"), answer(1_000));
    const look = await a.answers.get(place("first"));
    for (let n = 0; count(a, "store-refused") === 0 && n < 200; n += 1) {
      a.answers.set(place(`${n}`), look?.generations ?? [], answer(100_000));
      await a.answers.get(place("first"));
    }
    expect(a.events).toContainEqual({ type: "store-refused", reason: "full" });
    expect((await a.answers.get(place("first")))?.stored).toBeDefined();
    expect(await a.answers.raise({ model: "digits" })).toBe(true);
    expect((await a.answers.get(place("first")))?.stored).toBeUndefined();
    expect(a.events.filter((event) => event.type === "store-asked" && event.result !== "answered")).toEqual([]);
  });

  it("keeps nothing larger than the largest value, and counts it", async () => {
    const a = await replica(await server(), { maxValueBytes: 10_000 });
    const look = await a.answers.get(place("large"));
    a.answers.set(place("large"), look?.generations ?? [], answer(10_001));
    await vi.waitFor(() => expect(a.events).toContainEqual({ type: "store-refused", reason: "too-large" }));
    expect((await a.answers.get(place("large")))?.stored).toBeUndefined();
  });

  it("answers with nothing while the store is stopped, asks it less and less, and finds it again", async () => {
    const at = await server();
    const a = await replica(at, { timeoutMs: 100 });
    at.pause();
    for (let n = 0; n < 20; n += 1) expect(await a.answers.get(place("one"))).toBeUndefined();
    const results = a.events.flatMap((event) => (event.type === "store-asked" ? [event.result] : []));
    // the fifth one that came too late was the last that anybody waited for
    expect(results.filter((result) => result === "late")).toHaveLength(5);
    expect(results.filter((result) => result === "skipped")).toHaveLength(15);
    at.resume();
    await vi.waitFor(async () => expect(await a.answers.get(place("one"))).toBeDefined(), { timeout: 30_000 });
  });

  it("answers with nothing at once where no store is there, and finds it when it comes", async () => {
    const at = await server();
    await at.kill();
    const { env, events } = environment();
    const store = openStore(
      { valkey: at.url, secret, timeoutMs: PATIENT_MS, prefix: "test", maxValueBytes: 1024 },
      env,
    );
    closing.push(store.close);
    for (let n = 0; n < 100; n += 1) {
      expect(await store.answers.get(place("one"))).toBeUndefined();
      expect(await store.counts.add("quota", 1, 1_000)).toBeUndefined();
    }
    expect(await store.answers.raise({ model: "digits" })).toBe(false);
    expect(events.every((event) => event.type === "store-asked" && event.result === "skipped")).toBe(true);
    await at.start();
    await vi.waitFor(async () => expect(await store.answers.get(place("one"))).toBeDefined(), { timeout: 30_000 });
  });

  it("answers every ask of a crowd while the store is killed and started again under it", async () => {
    const at = await server();
    const a = await replica(at);
    await keep(a, place("one"), answer(40));
    let answered = 0;
    const crowd = Array.from({ length: 200 }, async (_, n) => {
      for (let round = 0; round < 50; round += 1) {
        const look = await a.answers.get(place("one"));
        if (look !== undefined && n % 10 === 0) a.answers.set(place("one"), look.generations, answer(40));
        answered += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const storm = (async () => {
      await at.kill();
      await at.start();
    })();
    await Promise.all([...crowd, storm]);
    expect(answered).toBe(10_000);
    await vi.waitFor(async () => expect(await a.answers.get(place("one"))).toBeDefined(), { timeout: 30_000 });
  });
});
