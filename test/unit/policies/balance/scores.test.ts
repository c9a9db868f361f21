import { describe, expect, it } from "vitest";
import { pool } from "../../../support/balanced-pool.ts";
import { aCall } from "../../../support/fake-pool.ts";

const slow = (ms: readonly number[]) => ms.map((one, i) => ({ id: `e${i}`, serviceMs: () => one, slots: 100 }));
type Pool = ReturnType<typeof pool>;

/** What the trace says of one more request, which is not answered yet. */
async function said(all: Pool, init: Parameters<typeof aCall>[1] = {}): Promise<string | undefined> {
  const call = aCall(all.env, init);
  void all.askWith(call);
  return call.trace.decisions[0]?.said;
}

/** Answers each endpoint once, in turns. */
async function warm(all: Pool, longest: number): Promise<void> {
  for (const _ of all.endpoints) {
    const answer = all.ask();
    all.env.clock.advance(longest);
    await answer;
  }
}

describe("what a choice was compared by is told", () => {
  it("by least-time as the times that were expected, the best first", async () => {
    const all = pool("least-time", slow([10, 14, 31.5]));
    const answers = all.endpoints.map(() => all.ask());
    expect(all.given()).toEqual([1, 1, 1]);
    for (const ms of [10, 4, 17.5]) {
      all.env.clock.advance(ms);
      await new Promise(setImmediate);
    }
    await Promise.all(answers);
    // what was learned 21.5 ms ago has come nearer to the median by 0.7 %
    expect(await said(all)).toBe("e0 of 3 (least-time: 10.0 ms, others 14.0, 31.5)");
    expect(await said(all)).toBe("e1 of 3 (least-time: 14.0 ms, others 20.1, 31.5)");
  });

  it("by least-time before the first answer, and of one that nobody has asked for long", async () => {
    const all = pool("least-time", slow([10, 10]));
    expect(await said(all)).toBe("e1 of 2 (least-time: no answer timed yet, 1 in flight, the other 1)");
    all.env.clock.advance(1_500);
    expect(await said(all)).toBe("e0 of 2 (least-time: asked to see, idle for 1.5s)");
  });

  it("by the next best three of a big pool and how many more there are", async () => {
    const all = pool("least-outstanding", slow([10, 10, 10, 10, 10, 10, 10]));
    for (let i = 0; i < 5; i += 1) void all.ask();
    expect(await said(all)).toBe("e5 of 7 (least-outstanding: 1 in flight, others 1, 2, 2, 3 more)");
  });

  it("by weight, where endpoints differ in it", async () => {
    const all = pool({ by: "least-outstanding" }, [
      { id: "big", weight: 4, slots: 9, serviceMs: () => 10 },
      { id: "small", slots: 9, serviceMs: () => 10 },
    ]);
    expect(await said(all)).toBe("big of 2 (least-outstanding: 0.25 in flight, the other 1)");
  });

  it("by turns and by current weights", async () => {
    const turns = pool("round-robin", slow([1, 1]));
    expect(await said(turns)).toBe("e0 of 2 (round-robin: its turn)");
    const weights = pool("weighted", [
      { id: "a", weight: 5 },
      { id: "b", weight: 3 },
      { id: "c", weight: 1 },
    ]);
    const told = [await said(weights), await said(weights), await said(weights)];
    expect(told).toEqual([
      "a of 3 (weighted: current weight 5, others 3, 1)",
      "b of 3 (weighted: current weight 6, others 2, 1)",
      "a of 3 (weighted: current weight 6, others 3, 0)",
    ]);
  });

  it("by the two that were drawn", async () => {
    const all = pool("p2c", slow([10, 10, 10, 10]));
    void all.ask();
    const told = await said(all);
    expect(told).toMatch(/^e\d of 4 \(p2c: 1 in flight against [12] at e\d\)$/);
    const peak = pool("peak-ewma", slow([10, 20]));
    await warm(peak, 30);
    expect(await said(peak)).toMatch(/^e\d of 2 \(peak-ewma: cost [\d.]+ ms against [\d.]+ at e\d\)$/);
  });

  it("by two of more than 64 endpoints", async () => {
    const all = pool("least-time", slow(Array.from({ length: 65 }, () => 10)));
    expect(await said(all)).toMatch(/^e\d+ of 65 \(least-time: 1(\.0+)? .*against 1(\.0+)? at e\d+\)$/);
  });

  it("by the key's hash, the place it has among the key's choices, and the bound of its load", async () => {
    const all = pool({ by: "hash", key: { header: "x-user" } }, slow([10, 10, 10, 10]));
    const of = { headers: new Map([["x-user", "ada"]]) };
    const first = await said(all, of);
    expect(first).toMatch(/^e\d of 4 \(hash: [0-9a-f]{8}, choice 1, 1 in flight of at most 1\)$/);
    // 1.25 times its share of two requests, rounded up, is one
    const second = await said(all, of);
    expect(second).toMatch(/^e\d of 4 \(hash: [0-9a-f]{8}, choice 2, 1 in flight of at most 1\)$/);
    expect(second?.slice(0, 2)).not.toBe(first?.slice(0, 2));
    expect(await said(all)).toMatch(/^e\d of 4 \(hash: no x-user, least-time: /);
  });

  it("as it was at that moment, however late it is read", async () => {
    const all = pool("least-outstanding", slow([10, 10]));
    const call = aCall(all.env);
    const answer = all.askWith(call);
    for (let i = 0; i < 9; i += 1) void all.ask();
    all.env.clock.advance(10);
    await answer;
    expect(call.trace.decisions[0]?.said).toBe("e0 of 2 (least-outstanding: 1 in flight, the other 1)");
  });
});

describe("a question about the way", () => {
  it.each(["least-time", "round-robin", "weighted", "least-outstanding", { by: "hash", key: "tenant" }])(
    "to %o is answered as the next request will be, and moves nothing",
    async (by) => {
      const all = pool(by, slow([10, 20, 30]));
      for (let i = 0; i < 60; i += 1) {
        const init = { tenant: `t${i % 7}` };
        const before = all.given();
        const asked = await said(all, { ...init, purpose: "explain" });
        expect(await said(all, { ...init, purpose: "explain" })).toBe(asked);
        expect(all.given()).toEqual(before);
        expect(await said(all, init)).toBe(asked);
        if (i % 3 === 0) all.env.clock.advance(i);
        await new Promise(setImmediate);
      }
    },
  );

  it("says what chance will decide", async () => {
    const all = pool("p2c", slow([10, 10, 10]));
    expect(await said(all, { purpose: "explain" })).toBe("one of 3 (p2c: the better one of two drawn)");
    const two = pool("p2c", slow([10, 10]));
    expect(await said(two, { purpose: "explain" })).toBe("one of 2 (p2c: the better one of two drawn)");
    const given = await said(two);
    const other = given?.startsWith("e0") ? "e1" : "e0";
    expect(await said(two, { purpose: "explain" })).toBe(
      `${other} of 2 (p2c: 1 in flight against 2 at ${given?.slice(0, 2)})`,
    );
    const zones = pool(
      "round-robin",
      [
        { id: "near-1", zone: "eu" },
        { id: "near-2", zone: "eu" },
        { id: "far", zone: "us" },
      ],
      "eu",
    );
    zones.endpoints[0]!.healthy = false;
    expect(await said(zones, { purpose: "explain" })).toBe("near-2 of 1, or one further away by chance");
  });
});
