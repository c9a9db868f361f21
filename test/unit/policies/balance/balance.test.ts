import { describe, expect, it } from "vitest";
import { balance } from "../../../../policies/balance.ts";
import { askAll, named, pool } from "../../../support/balanced-pool.ts";
import { aCall } from "../../../support/fake-pool.ts";

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
      { policy: "balance", said: "a of 4, health not believed (round-robin: its turn)" },
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
