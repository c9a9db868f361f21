import { describe, expect, it } from "vitest";
import { InferError } from "../../../../core/error.ts";
import { askAll, named, type Pool, pool } from "../../../support/balanced-pool.ts";
import { seededRandom } from "../../../support/fake-env.ts";

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
