import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type CallInit, openCall } from "../../../../core/call.ts";
import type { InferError } from "../../../../core/error.ts";
import type { SharedStore } from "../../../../core/store.ts";
import { MOST_CALLERS, openBuckets } from "../../../../policies/limit/buckets.ts";
import { networkOf } from "../../../../policies/limit/caller.ts";
import { rateLayer } from "../../../../policies/limit/rate.ts";
import { limitWords } from "../../../../policies/limit/words.ts";
import { type FakeEnv, fakeEnv } from "../../../support/fake-env.ts";
import { requestFor, wholeReply } from "../../../support/scripted.ts";

// the library of the buckets has a clock of its own
beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

interface Bench {
  readonly env: FakeEnv;
  /** `ok`, or the refusal. */
  ask(init?: Partial<CallInit>): Promise<"ok" | InferError>;
  /** How many of so many requests pass. */
  passed(count: number, init?: Partial<CallInit>): Promise<number>;
  advance(ms: number): void;
}

function bench(words: unknown, store?: SharedStore, env: FakeEnv = fakeEnv()): Bench {
  const { rates } = limitWords.parse(words);
  const context = { model: "m", env, ...(store === undefined ? {} : { store }) };
  const service = rateLayer(rates, context)(async () => wholeReply("m", "1"));
  const ask = async (init: Partial<CallInit> = {}) => {
    const call = openCall({ id: "", traceparent: "", clock: env.clock, protocol: "test", ...init });
    return service(requestFor("m"), call).then(
      () => "ok" as const,
      (error: InferError) => error,
    );
  };
  return {
    env,
    ask,
    async passed(count, init) {
      let passed = 0;
      for (let i = 0; i < count; i += 1) if ((await ask(init)) === "ok") passed += 1;
      return passed;
    },
    advance(ms) {
      vi.advanceTimersByTime(ms);
      env.clock.advance(ms);
    },
  };
}

test("a burst passes, then so many as the rate lets in, evenly", async () => {
  const at = bench({ rate: "10/s", burst: 3 });
  expect(await at.passed(5)).toBe(3);
  at.advance(99);
  expect(await at.passed(5)).toBe(0);
  at.advance(1);
  expect(await at.passed(5)).toBe(1);
  at.advance(200);
  expect(await at.passed(5)).toBe(2);
  at.advance(60_000);
  expect(await at.passed(5)).toBe(3);
});

test("the refusal is the client's, says what is allowed and when the next request fits", async () => {
  const at = bench({ rate: "10/s", burst: 1, by: "tenant" });
  await at.ask({ tenant: "a" });
  at.advance(40);
  expect(await at.ask({ tenant: "a" })).toMatchObject({
    code: "quota-exceeded",
    origin: "client",
    retryable: "later",
    retryAfterMs: 60,
    message: 'model "m" allows 10/s for each tenant; the next request fits in 60ms',
  });
  expect(at.env.events).toEqual([{ type: "rate-limited", model: "m", by: "tenant" }]);
});

test("each caller has a share of its own, and those without a name have one together", async () => {
  const byTenant = bench({ rate: "5/s", by: "tenant" });
  const greedy = await byTenant.passed(500, { tenant: "a" });
  expect([greedy, await byTenant.passed(9, { tenant: "b" }), await byTenant.passed(9)]).toEqual([5, 5, 5]);
  expect(await byTenant.passed(9)).toBe(0);
  const byKey = bench({ rate: "5/s", by: { header: "x-api-key" } });
  const key = (value: string) => ({ headers: new Map([["x-api-key", value]]) });
  expect([await byKey.passed(9, key("a")), await byKey.passed(9, key("b")), await byKey.passed(9)]).toEqual([5, 5, 5]);
  const byPeer = bench({ rate: "5/s", by: "peer" });
  expect(await byPeer.passed(9, { peer: "10.0.0.1" })).toBe(5);
  expect(await byPeer.passed(9, { peer: "::ffff:10.0.0.1" })).toBe(0);
  expect(await byPeer.passed(9, { peer: "2001:db8::1" })).toBe(5);
  expect(await byPeer.passed(9, { peer: "2001:db8:0:0:ffff::9" })).toBe(0);
  const byModel = bench({ rate: "5/s" });
  expect([await byModel.passed(3, { tenant: "a" }), await byModel.passed(9, { tenant: "b" })]).toEqual([3, 2]);
});

test("all rates of a list hold, and a refusal by one takes nothing of the others", async () => {
  const at = bench([{ rate: "2/s", by: "tenant" }, { rate: "6/m" }]);
  expect(await at.passed(50, { tenant: "a" })).toBe(2);
  expect(await at.passed(50, { tenant: "b" })).toBe(2);
  expect(await at.passed(50, { tenant: "c" })).toBe(2);
  expect(await at.passed(50, { tenant: "d" })).toBe(0);
  at.advance(10_000);
  expect(await at.passed(50, { tenant: "d" })).toBe(1);
});

test("only what users ask counts, and only that is refused", async () => {
  const at = bench({ rate: "1/h" });
  for (const purpose of ["shadow", "probe", "warm-up", "explain"] as const) {
    expect(await at.passed(3, { purpose })).toBe(3);
  }
  expect(await at.passed(3)).toBe(1);
});

test("the table of callers is bounded: who has asked longest ago is forgotten", () => {
  const [rate] = limitWords.parse({ rate: "1/h" }).rates;
  if (rate === undefined) throw new Error("no rate");
  const buckets = openBuckets(rate, 3);
  for (const caller of ["a", "b", "c", "a", "d"]) buckets.take(caller);
  expect([buckets.size, buckets.wait("a") > 0, buckets.wait("b")]).toEqual([3, true, 0]);
  expect(MOST_CALLERS).toBe(65_536);
});

test.each([
  ["10.1.2.3", "10.1.2.3"],
  ["::ffff:10.1.2.3", "10.1.2.3"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["2001:0db8:0:1:2:3:4:5", "2001:db8:0:1::/64"],
  ["2001:db8:1::", "2001:db8:1:0::/64"],
  ["", ""],
])("the network of %s is %s", (peer, network) => {
  expect(networkOf(peer)).toBe(network);
});

interface FakeStore extends SharedStore {
  up: boolean;
  readonly keys: string[];
}

/** What Valkey does, in one process. */
function fakeStore(env: FakeEnv): FakeStore {
  const counts = new Map<string, { total: number; readonly endsAt: number }>();
  const store: FakeStore = {
    up: true,
    keys: [],
    available: () => store.up,
    async add(key, by, lastsMs) {
      store.keys.push(key);
      if (!store.up) return undefined;
      const now = env.clock.now();
      const known = counts.get(key);
      const count = known !== undefined && known.endsAt > now ? known : { total: 0, endsAt: now + lastsMs };
      counts.set(key, count);
      count.total += by;
      return { total: count.total, endsInMs: count.endsAt - now };
    },
  };
  return store;
}

test("replicas that share a store let through together what the rate allows", async () => {
  const env = fakeEnv();
  const store = fakeStore(env);
  const one = bench({ rate: "10/m", by: "tenant" }, store, env);
  const other = bench({ rate: "10/m", by: "tenant" }, store, env);
  const a = { tenant: "a" };
  expect([await one.passed(7, a), await other.passed(7, a), await one.passed(7, a)]).toEqual([7, 3, 0]);
  expect(await other.passed(7, { tenant: "b" })).toBe(7);
  const refused = await one.ask(a);
  expect(refused).toMatchObject({ code: "quota-exceeded", retryAfterMs: 60_000 });
  one.advance(60_000);
  expect([await one.passed(7, a), await other.passed(7, a)]).toEqual([7, 3]);
});

test("a caller whose window is used up is refused without asking the store, and no name stands in a key", async () => {
  const env = fakeEnv();
  const store = fakeStore(env);
  const at = bench({ rate: "2/h", by: { header: "x-api-key" } }, store, env);
  await at.passed(50, { headers: new Map([["x-api-key", "secret"]]) });
  expect(store.keys.length).toBe(2);
  expect(store.keys[0]).toMatch(/^rate\/m\/x-api-key\/2\/h\/[\w-]{22}$/);
});

test("while the store is away each replica goes on with its own count, and no request fails for it", async () => {
  const env = fakeEnv();
  const store = fakeStore(env);
  const at = bench({ rate: "10/m" }, store, env);
  store.up = false;
  expect(await at.passed(50)).toBe(10);
  expect(store.keys).toEqual([]);
  at.advance(60_000);
  store.up = true;
  store.add = async () => undefined;
  expect(await at.passed(50)).toBe(10);
});
