import { describe, expect, it } from "vitest";
import type { Call } from "../../../../core/call.ts";
import { InferError } from "../../../../core/error.ts";
import { balance } from "../../../../policies/balance.ts";
import { type FakeEnv, fakeEnv, seededRandom } from "../../../support/fake-env.ts";
import { aCall, type FakeEndpoint, type FakeEndpointInit, fakeEndpoint } from "../../../support/fake-pool.ts";
import { requestFor } from "../../../support/scripted.ts";

interface Pool {
  readonly env: FakeEnv;
  readonly endpoints: FakeEndpoint[];
  readonly ask: (init?: Parameters<typeof aCall>[1]) => Promise<unknown>;
  readonly askWith: (call: Call) => Promise<unknown>;
  /** A second try that should avoid endpoints, answered at once. */
  readonly retry: (avoid: readonly string[]) => Promise<unknown>;
  /** Adds an endpoint while the others work. */
  add(init: FakeEndpointInit): FakeEndpoint;
  given(): number[];
}

function pool(options: unknown, inits: readonly FakeEndpointInit[], zone?: string): Pool {
  const env = fakeEnv(7);
  const endpoints = inits.map((init) => fakeEndpoint(init, env));
  let list = endpoints.map((one) => one.candidate);
  const read = options === undefined ? balance.fallback : balance.options.parse(options);
  const service = balance.build(read, { model: "m", env, ...(zone === undefined ? {} : { zone }) })({
    list: () => list,
  });
  const askWith = async (call: Call) => {
    const answer = service(requestFor("m"), call);
    env.clock.advance(0);
    return answer;
  };
  return {
    env,
    endpoints,
    ask: (init) => service(requestFor("m"), aCall(env, init)),
    askWith,
    retry: (avoid) => askWith({ ...aCall(env), attempt: { n: 2, avoid } }),
    add(init) {
      const added = fakeEndpoint(init, env);
      endpoints.push(added);
      list = endpoints.map((one) => one.candidate);
      return added;
    },
    given: () => endpoints.map((one) => one.given),
  };
}

const named = (...ids: readonly string[]) => ids.map((id) => ({ id }));

/** Asks one after the other, each answered before the next. */
async function askAll({ ask, env }: Pool, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const answer = ask();
    env.clock.advance(0);
    await answer;
  }
}

describe("the words after balance", () => {
  it.each([
    ["least-time", { by: "least-time", slowStartMs: 30_000, spillBelow: 0.7, panicBelow: 0.5 }],
    [
      { by: "hash", key: { header: "X-User" }, slowStart: "0s", panicBelow: "0%" },
      { by: "hash", key: { header: "x-user" }, slowStartMs: 0, spillBelow: 0.7, panicBelow: 0 },
    ],
  ])("are read: %s", (words, expected) => {
    expect(balance.options.parse(words)).toEqual(expected);
  });

  it("are least-time where nothing is said", () => {
    expect(balance.fallback).toEqual(balance.options.parse("least-time"));
  });

  it.each([
    ["fastest"],
    ["hash"],
    [{ by: "p2c", key: "tenant" }],
    [{ by: "p2c", panicBelow: "120%" }],
    [{ by: "p2c", other: 1 }],
  ])("are refused: %s", (words) => {
    expect(balance.options.safeParse(words).success).toBe(false);
  });
});

describe("every way to choose", () => {
  const ways = ["least-time", "round-robin", "weighted", "least-outstanding", "p2c", "peak-ewma"] as const;

  it.each(ways)("%s asks no endpoint that is ill or without the model, as long as half are well", async (by) => {
    const all = pool(by, named("a", "b", "c", "d"));
    all.endpoints[0]!.healthy = false;
    all.endpoints[1]!.hasModel = false;
    await askAll(all, 100);
    expect(all.given().slice(0, 2)).toEqual([0, 0]);
    expect(all.given().reduce((sum, count) => sum + count)).toBe(100);
  });

  it.each(ways)("%s leaves out the endpoints that a retry has tried, unless there is no other", async (by) => {
    const all = pool(by, named("a", "b", "c"));
    for (let i = 0; i < 20; i += 1) await all.retry(["a", "b"]);
    expect(all.given()).toEqual([0, 0, 20]);
    await all.retry(["a", "b", "c"]);
    expect(all.given().reduce((sum, count) => sum + count)).toBe(21);
  });

  it("says why when there is nobody", async () => {
    await expect(pool("p2c", []).ask()).rejects.toMatchObject({
      code: "unavailable",
      message: 'model "m" has no endpoint',
    });
    const all = pool("p2c", named("a", "b"));
    for (const one of all.endpoints) one.hasModel = false;
    await expect(all.ask()).rejects.toMatchObject({
      code: "unavailable",
      message: 'model "m" has no endpoint that can take work now',
    });
  });
});

describe("health", () => {
  it("is not believed when less than half are well: then all are asked, and the trace says so", async () => {
    const all = pool("round-robin", named("a", "b", "c", "d"));
    for (const one of all.endpoints.slice(0, 3)) one.healthy = false;
    await askAll(all, 8);
    expect(all.given()).toEqual([2, 2, 2, 2]);
    const call = aCall(all.env);
    await all.askWith(call);
    expect(call.trace.decisions).toEqual([
      { policy: "balance", said: "round-robin chose a of 4, health not believed" },
    ]);
  });

  it("is always believed where the config says so", async () => {
    const all = pool({ by: "round-robin", panicBelow: "0%" }, named("a", "b", "c", "d"));
    for (const one of all.endpoints.slice(0, 3)) one.healthy = false;
    await askAll(all, 8);
    expect(all.given()).toEqual([0, 0, 0, 8]);
  });

  it("gives one that came later or came back a tenth of its work first, and all of it after the slow start", async () => {
    const all = pool({ by: "weighted", slowStart: "30s" }, named("a"));
    await askAll(all, 1);
    const late = all.add({ id: "b" });
    await askAll(all, 110);
    // a weighs 1, b 0.1: 110 requests are ten rounds of eleven
    expect(late.given).toBe(10);
    all.env.clock.advance(30_000);
    await askAll(all, 100);
    expect(late.given).toBe(60);
    late.healthy = false;
    await askAll(all, 1);
    late.healthy = true;
    const before = late.given;
    await askAll(all, 110);
    expect(late.given - before).toBe(10);
  });
});

describe("zones and tiers", () => {
  const init = [
    { id: "near-1", zone: "eu-1a" },
    { id: "near-2", zone: "eu-1a" },
    { id: "far", zone: "eu-1b" },
    { id: "last", zone: "eu-1a", tier: 1 },
  ];

  it("the gateway's own zone of the lowest tier takes all work while it is well", async () => {
    const all = pool("round-robin", init, "eu-1a");
    await askAll(all, 100);
    expect(all.given()).toEqual([50, 50, 0, 0]);
  });

  it("a level that is half well keeps 50 of 70 parts of the work and leaves the rest to the next", async () => {
    const all = pool("round-robin", init, "eu-1a");
    all.endpoints[0]!.healthy = false;
    await askAll(all, 1000);
    const [ill, near, far, last] = all.given();
    expect([ill, last]).toEqual([0, 0]);
    // seeded chance: 5/7 of 1000 is 714
    expect(near! + far!).toBe(1000);
    expect(Math.abs(near! - 714)).toBeLessThan(50);
  });

  it("without a zone of its own the gateway knows tiers only", async () => {
    const all = pool("round-robin", init);
    await askAll(all, 99);
    expect(all.given()).toEqual([33, 33, 33, 0]);
  });
});

describe("weighted and round-robin", () => {
  it("are never more than one request from the share of each endpoint", async () => {
    const weights = [5, 3, 1];
    const all = pool(
      "weighted",
      weights.map((weight, i) => ({ id: `${i}`, weight })),
    );
    for (let n = 1; n <= 900; n += 1) {
      await askAll(all, 1);
      for (const [i, weight] of weights.entries()) {
        expect(Math.abs(all.given()[i]! - (n * weight) / 9)).toBeLessThanOrEqual(1);
      }
    }
    expect(all.given()).toEqual([500, 300, 100]);
    const equal = pool(
      "round-robin",
      weights.map((weight, i) => ({ id: `${i}`, weight })),
    );
    await askAll(equal, 9);
    expect(equal.given()).toEqual([3, 3, 3]);
  });
});

describe("hash", () => {
  const options = { by: "hash", key: { header: "x-user" } };
  const ids = named("a", "b", "c", "d", "e");
  const ofUser = (user: number) => ({ headers: new Map([["x-user", `user-${user}`]]) });
  const seatOf = async (all: Pool, user: number): Promise<number> => {
    const before = all.given();
    const answer = all.ask(ofUser(user));
    all.env.clock.advance(0);
    await answer;
    return all.given().findIndex((count, i) => count !== before[i]);
  };

  it("keeps a key on its endpoint, and moves only the keys of one that has gone", async () => {
    const all = pool(options, ids);
    const first: number[] = [];
    for (let user = 0; user < 200; user += 1) first.push(await seatOf(all, user));
    for (let user = 0; user < 200; user += 1) expect(await seatOf(all, user)).toBe(first[user]);
    expect(new Set(first).size).toBe(5);
    all.endpoints[2]!.healthy = false;
    for (let user = 0; user < 200; user += 1) {
      const now = await seatOf(all, user);
      if (first[user] === 2) expect(now).not.toBe(2);
      else expect(now).toBe(first[user]);
    }
  });

  it("bounds what one key can give to one endpoint: the next choices help", async () => {
    const all = pool(
      options,
      ids.map((one) => ({ ...one, serviceMs: () => 10, slots: 100 })),
    );
    const answers = Array.from({ length: 100 }, () => all.ask(ofUser(1)));
    // 1.25 times the fair share of 20, rounded up
    expect(Math.max(...all.given())).toBeLessThanOrEqual(26);
    all.env.clock.advance(10);
    await Promise.all(answers);
  });

  it("asks the fastest for a request without the key", async () => {
    const all = pool(options, ids);
    await askAll(all, 10);
    expect(all.given().reduce((sum, count) => sum + count)).toBe(10);
  });
});

describe("least-time", () => {
  it("asks a slow endpoint once a second, so that its recovery is seen, and then as much as the others", async () => {
    let slowMs = 200;
    const all = pool("least-time", [
      { id: "fast", serviceMs: () => 10, slots: 100 },
      { id: "slow", serviceMs: () => slowMs, slots: 100 },
    ]);
    const answers: Promise<unknown>[] = [];
    const tick = (ms: number) => {
      for (let i = 0; i < ms / 10; i += 1) {
        answers.push(all.ask());
        all.env.clock.advance(10);
      }
      return new Promise((resolve) => setImmediate(resolve));
    };
    for (let i = 0; i < 100; i += 1) await tick(100);
    const before = all.given();
    for (let i = 0; i < 100; i += 1) await tick(100);
    const during = all.given().map((count, i) => count - before[i]!);
    expect(during[1]).toBeGreaterThanOrEqual(9);
    expect(during[1]).toBeLessThan(150);
    slowMs = 10;
    for (let i = 0; i < 100; i += 1) await tick(100);
    const middle = all.given();
    for (let i = 0; i < 100; i += 1) await tick(100);
    const after = all.given().map((count, i) => count - middle[i]!);
    expect(after[1]! / 1000).toBeGreaterThanOrEqual(0.4);
    await Promise.all(answers);
  });

  it("is not attracted by an endpoint that fails at once", async () => {
    const all = pool("least-time", [
      { id: "good", serviceMs: () => 20, slots: 100 },
      { id: "bad", serviceMs: () => 1, slots: 100 },
    ]);
    all.endpoints[1]!.fault = new InferError("unavailable", "refused");
    let failed = 0;
    for (let i = 0; i < 500; i += 1) {
      const answer = all.ask().catch(() => {
        failed += 1;
      });
      all.env.clock.advance(20);
      await answer;
    }
    // ten seconds of trying again once a second, and the first tries
    expect(failed).toBeLessThanOrEqual(15);
  });

  it("takes a client's mistake for nothing: neither for a fast answer nor for a failure", async () => {
    const all = pool("least-time", [
      { id: "a", serviceMs: () => 1 },
      { id: "b", serviceMs: () => 1 },
    ]);
    all.endpoints[1]!.fault = new InferError("invalid-argument", "no");
    for (let i = 0; i < 100; i += 1) {
      const answer = all.ask().catch(() => {});
      all.env.clock.advance(1);
      await answer;
    }
    expect(Math.min(...all.given())).toBeGreaterThan(20);
  });
});

// Source of the scene: algorithms, "one replica of four 10x slow, load 0.6".
describe("one endpoint of four ten times slower, at 0.6 of what all can do", () => {
  async function p99(by: unknown, weights = [1, 1, 1, 1]): Promise<number> {
    const serviceMs = [10, 10, 10, 100];
    const all = pool(
      by,
      serviceMs.map((ms, i) => ({ id: `${i}`, weight: weights[i]!, serviceMs: () => ms, slots: 8 })),
    );
    const random = seededRandom(11);
    const perMs = 0.6 * serviceMs.reduce((sum, ms) => sum + 8 / ms, 0);
    const took: number[] = [];
    const answers: Promise<unknown>[] = [];
    while (took.length + answers.length < 12_000) {
      all.env.clock.advance(-Math.log(1 - random()) / perMs);
      const startedAt = all.env.clock.now();
      const counts = answers.length > 4000;
      answers.push(all.ask().then(() => counts && took.push(all.env.clock.now() - startedAt)));
      if (answers.length % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    all.env.clock.advance(60_000);
    await Promise.all(answers);
    took.sort((a, b) => a - b);
    return took[Math.floor(took.length * 0.99)]!;
  }

  it("least-time comes near to one who knows the speeds; round robin does not", async () => {
    const knowing = await p99("weighted", [10, 10, 10, 1]);
    const leastTime = await p99("least-time");
    const roundRobin = await p99("round-robin");
    expect(leastTime / knowing).toBeLessThanOrEqual(1.1);
    expect(roundRobin / knowing).toBeGreaterThan(10);
  });
});
