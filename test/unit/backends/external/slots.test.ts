import { expect, test } from "vitest";
import { type CallSlots, openSlots, type SlotsOptions } from "../../../../backends/external/slots.ts";
import { InferError } from "../../../../core/error.ts";
import type { Outcome } from "../../../../core/outcome.ts";
import type { FakeEnv } from "../../../support/fake-env.ts";
import { callFor, evenEnv } from "./fake-server.ts";

function slotsOf(env: FakeEnv, words: Pick<SlotsOptions, "most" | "limit">): CallSlots {
  return openSlots({ env, backend: "b", endpoint: "b/one", ...words });
}

/** A call that has its slot at once, and how it leaves. */
function enter(slots: CallSlots, env: FakeEnv): () => void {
  const permit = slots.enter(1, callFor(env));
  if (permit instanceof Promise) throw new Error("no slot is free");
  return () => permit.leave("success");
}

test("a lease and the call made while it is held are one use of a slot", async () => {
  const env = evenEnv();
  const slots = slotsOf(env, { most: 2 });
  const lease = await slots.take(1, callFor(env));
  expect([slots.free, slots.busy]).toEqual([1, 1]);
  const leave = enter(slots, env);
  expect([slots.free, slots.busy]).toEqual([1, 1]);
  leave();
  lease.release("success");
  lease.release("success");
  expect([slots.free, slots.busy]).toEqual([2, 0]);
});

test("there is no queue: who cannot have a slot now is refused, and who has left is not served", async () => {
  const env = evenEnv();
  const slots = slotsOf(env, { most: 1 });
  const left = new AbortController();
  left.abort(new InferError("cancelled", "left"));
  await expect(slots.take(1, callFor(env, { signal: left.signal }))).rejects.toThrow("left");
  await slots.take(1, callFor(env));
  await expect(slots.take(1, callFor(env))).rejects.toMatchObject({ code: "overloaded", retryable: "elsewhere" });
});

test("tells of a free slot only when there is one, and no longer than it is wanted", async () => {
  const env = evenEnv();
  const slots = slotsOf(env, { most: 2 });
  let freed = 0;
  const stop = slots.onFree(() => {
    freed += 1;
  });
  const leases = [await slots.take(1, callFor(env)), await slots.take(1, callFor(env))];
  const leaves = [enter(slots, env), enter(slots, env)];
  leases[0]?.release("success");
  expect([freed, slots.free]).toEqual([0, 0]);
  leaves[0]?.();
  leaves[0]?.();
  expect([freed, slots.free]).toEqual([1, 1]);
  stop();
  leaves[1]?.();
  expect(freed).toBe(1);
});

test("idle is when no call is left", async () => {
  const env = evenEnv();
  const slots = slotsOf(env, { most: 4 });
  await slots.idle();
  const leaves = [enter(slots, env), enter(slots, env)];
  let idle = 0;
  const waiting = slots.idle().then(() => {
    idle += 1;
  });
  leaves[0]?.();
  await Promise.resolve();
  expect(idle).toBe(0);
  leaves[1]?.();
  await waiting;
  expect(idle).toBe(1);
});

test("with a queue a call waits for its turn, and the wait is told", async () => {
  const env = evenEnv();
  const slots = slotsOf(env, { most: 8, limit: { concurrency: 1, queue: 1 } });
  const leave = enter(slots, env);
  const second = slots.enter(1, callFor(env));
  expect([slots.free, slots.busy]).toEqual([0, 2]);
  await expect(slots.enter(1, callFor(env))).rejects.toMatchObject({ code: "overloaded", retryable: "elsewhere" });
  env.clock.advance(7);
  leave();
  const permit = await second;
  expect(permit.waitedMs).toBe(7);
  permit.leave("success");
  expect([slots.free, slots.busy]).toEqual([1, 0]);
});

test("an adaptive limit begins at 16 and falls when answers take longer than in the long run", async () => {
  const env = evenEnv();
  const slots = slotsOf(env, { most: 256, limit: { concurrency: "adaptive", queue: 0 } });
  expect(slots.free).toBe(16);
  const round = (ms: number) => {
    const leaves = Array.from({ length: slots.free }, () => enter(slots, env));
    env.clock.advance(ms);
    for (const leave of leaves) leave();
  };
  for (let i = 0; i < 20; i += 1) round(100);
  const grown = slots.free;
  expect(grown).toBe(32);
  for (let i = 0; i < 20; i += 1) round(1000);
  expect(slots.free).toBe(11);
  const limits = env.events.flatMap((event) => (event.type === "limit" ? [event.limit] : []));
  expect(limits.at(0)).toBe(16);
  expect(limits.at(-1)).toBe(11);
});

test("an adaptive limit counts rows, so that larger requests are no slower server", () => {
  const env = evenEnv();
  const slots = slotsOf(env, { most: 256, limit: { concurrency: "adaptive", queue: 0 } });
  const round = (rows: number) => {
    const permits = Array.from({ length: slots.free }, () => slots.enter(rows, callFor(env)));
    env.clock.advance(100 * rows);
    for (const permit of permits) if (!(permit instanceof Promise)) permit.leave("success");
  };
  for (let i = 0; i < 20; i += 1) round(1);
  const before = slots.free;
  for (let i = 0; i < 20; i += 1) round(32);
  expect(slots.free).toBeGreaterThan(before);
});

test("an adaptive limit learns nothing from calls that fail at once or whose callers have left", () => {
  const env = evenEnv();
  const slots = slotsOf(env, { most: 256, limit: { concurrency: "adaptive", queue: 0 } });
  const round = (ms: number, outcome: Outcome) => {
    const permits = Array.from({ length: slots.free }, () => slots.enter(1, callFor(env)));
    env.clock.advance(ms);
    for (const permit of permits) if (!(permit instanceof Promise)) permit.leave(outcome);
  };
  for (let i = 0; i < 5; i += 1) round(100, "success");
  const before = slots.free;
  for (let i = 0; i < 50; i += 1) round(1, "failure");
  for (let i = 0; i < 50; i += 1) round(5000, "ignored");
  expect(slots.free).toBe(before);
  // what ran out of time took at least so long
  for (let i = 0; i < 50; i += 1) round(5000, "failure");
  expect(slots.free).toBeLessThan(before);
});
