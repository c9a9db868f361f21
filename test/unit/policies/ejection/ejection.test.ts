import { describe, expect, it } from "vitest";
import { fixedPool } from "../../../../core/backend.ts";
import type { Guard } from "../../../../core/guard.ts";
import { outliers } from "../../../../policies/ejection/outliers.ts";
import { ejection, openEjection } from "../../../../policies/ejection.ts";
import { broken } from "../../../support/breakers.ts";
import { fakeEnv } from "../../../support/fake-env.ts";
import { aCall, fakeEndpoint } from "../../../support/fake-pool.ts";
import { requestFor } from "../../../support/scripted.ts";

const DEFAULTS = { everyMs: 10_000, minimumCalls: 100, deviations: 1.9, ejectForMs: 30_000, ejectMaxMs: 300_000 };

describe("the words after ejection", () => {
  it.each([
    [true, DEFAULTS],
    [
      { every: "5s", ejectFor: "10s" },
      { ...DEFAULTS, everyMs: 5000, ejectForMs: 10_000 },
    ],
    [false, false],
  ])("are read: %j", (words, expected) => {
    expect(ejection.options.parse(words)).toEqual(expected);
  });

  it.each([["on"], [{ deviations: 0 }], [{ ejectFor: "10m" }], [{ minimumCalls: 1.5 }]])("are refused: %j", (words) => {
    expect(ejection.options.safeParse(words).success).toBe(false);
  });
});

describe("an outlier", () => {
  const rates = (...successes: readonly number[]) => successes.map((success) => ({ success, pace: undefined }));
  const paces = (...list: readonly number[]) => list.map((pace) => ({ success: 1, pace }));

  it.each([
    ["fails far more than its peers", rates(1, 1, 1, 1, 0.5), "success"],
    ["is far slower than its peers", paces(1, 1, 1, 1, 4), "time"],
  ])("%s", (_what, samples, fault) => {
    expect(outliers(samples, 1.9)).toEqual([undefined, undefined, undefined, undefined, fault]);
  });

  it.each([
    ["among four", rates(1, 1, 1, 0)],
    ["that fails by less than 5 points more, however alike the others are", rates(1, 1, 1, 1, 0.96)],
    ["that is less than twice as slow, however alike the others are", paces(1, 1, 1, 1, 1.9)],
    ["where the peers differ as much", rates(1, 0.5, 0.9, 0.6, 0.4)],
    ["where all are ill", rates(0, 0, 0, 0, 0)],
    ["where it is better than its peers", paces(4, 4, 4, 4, 1)],
    ["in time among four that answered", [...paces(1, 1, 1, 9), { success: 1, pace: undefined }]],
  ])("is nobody %s", (_what, samples) => {
    expect(outliers(samples, 1.9).filter((fault) => fault !== undefined)).toEqual([]);
  });
});

/** Six endpoints of which each answers as its share says, one call a millisecond to each. */
function pool(count = 6) {
  const env = fakeEnv(5);
  const endpoints = Array.from({ length: count }, (_, i) => fakeEndpoint({ id: `gpu/${i}` }, env));
  const opened = new Map<string, Guard>();
  const self = { room: true };
  const open = openEjection(DEFAULTS, {
    backend: "gpu",
    pool: fixedPool(endpoints.map(({ candidate }) => candidate.endpoint)),
    room: () => self.room,
    env,
  });
  for (const { candidate } of endpoints) opened.set(candidate.endpoint.id, open(candidate.endpoint));
  const guards = [...opened.values()];
  const failing = new Set<number>();
  const slow = new Set<number>();
  const round = async () => {
    for (const [i, guard] of guards.entries()) {
      if (!guard.available()) continue;
      const answer = guard
        .layer(async () => {
          if (failing.has(i)) throw broken();
          env.clock.advance(slow.has(i) ? 40 : 10);
          return { kind: "whole", model: { name: "m", version: "1" }, outputs: [], parameters: new Map() };
        })(requestFor("m"), aCall(env))
        .catch(() => {});
      await answer;
    }
  };
  const runFor = async (ms: number) => {
    for (const until = env.clock.now() + ms; env.clock.now() < until; ) {
      await round();
      if (failing.size === count) env.clock.advance(10);
    }
  };
  const out = () => guards.flatMap((guard, i) => (guard.out() ? [i] : []));
  return Object.assign(self, { env, guards, failing, slow, runFor, out });
}

describe("ejection", () => {
  it("takes out the one that fails, for 30 s, then twice as long, and says why", async () => {
    const all = pool();
    all.failing.add(2);
    await all.runFor(10_100);
    expect(all.out()).toEqual([2]);
    expect(all.guards[2]?.status()).toMatchObject({
      state: "ejected",
      forced: false,
      reason: "more failures than its peers",
    });
    expect(all.env.events).toContainEqual({
      type: "ejection-state",
      backend: "gpu",
      endpoint: "gpu/2",
      model: undefined,
      state: "ejected",
      cause: "success",
    });
    all.env.clock.advance(30_000);
    expect(all.out()).toEqual([]);
    // what was counted before is too old; then it fails again
    await all.runFor(20_000);
    expect(all.out()).toEqual([2]);
    const { forMs = 0 } = all.guards[2]?.status() ?? {};
    expect(forMs).toBeGreaterThan(45_000);
    expect(forMs).toBeLessThanOrEqual(60_000);
  });

  it("takes out the one that is slow, by what is usual for the model", async () => {
    const all = pool();
    all.slow.add(4);
    await all.runFor(12_000);
    expect(all.out()).toEqual([4]);
    expect(all.guards[4]?.status().reason).toBe("slower than its peers");
  });

  it("takes out nobody in a pool of four, nor with fewer than 100 calls, nor where half of the pool is out", async () => {
    const four = pool(4);
    four.failing.add(0);
    await four.runFor(30_000);
    expect(four.out()).toEqual([]);
    const quiet = pool();
    quiet.failing.add(0);
    for (let i = 0; i < 30; i += 1) {
      await quiet.runFor(1);
      quiet.env.clock.advance(1000);
    }
    expect(quiet.out()).toEqual([]);
    const full = pool();
    full.room = false;
    full.failing.add(0);
    await full.runFor(12_000);
    expect(full.out()).toEqual([]);
    expect(full.env.lines.map(({ message }) => message)).toEqual([
      "the endpoint is not ejected, half of the pool is out already (more failures than its peers)",
    ]);
  });

  it("takes out nobody where all fail", async () => {
    const all = pool();
    for (let i = 0; i < 6; i += 1) all.failing.add(i);
    await all.runFor(30_000);
    expect(all.out()).toEqual([]);
  });

  it("brings one back by hand, and leaves no timer behind", async () => {
    const all = pool();
    all.failing.add(1);
    await all.runFor(10_100);
    expect(all.guards[1]?.byHand("open")).toBe(false);
    expect(all.guards[1]?.byHand("reset")).toBe(true);
    expect([all.out(), all.env.clock.pending]).toEqual([[], 0]);
  });
});
