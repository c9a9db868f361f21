import { expect, test } from "vitest";
import { openSlots } from "../../../../backends/external/slots.ts";
import { InferError } from "../../../../core/error.ts";
import { callFor, evenEnv } from "./fake-server.ts";

test("a lease and the call made while it is held are one use of a slot", async () => {
  const env = evenEnv();
  const slots = openSlots(2);
  const lease = await slots.take(1, callFor(env));
  expect([slots.free, slots.busy]).toEqual([1, 1]);
  const leave = slots.enter();
  expect([slots.free, slots.busy]).toEqual([1, 1]);
  leave();
  lease.release("success");
  lease.release("success");
  expect([slots.free, slots.busy]).toEqual([2, 0]);
});

test("there is no queue: who cannot have a slot now is refused, and who has left is not served", async () => {
  const env = evenEnv();
  const slots = openSlots(1);
  const left = new AbortController();
  left.abort(new InferError("cancelled", "left"));
  await expect(slots.take(1, callFor(env, { signal: left.signal }))).rejects.toThrow("left");
  await slots.take(1, callFor(env));
  await expect(slots.take(1, callFor(env))).rejects.toMatchObject({ code: "overloaded", retryable: "elsewhere" });
});

test("tells of a free slot only when there is one, and no longer than it is wanted", async () => {
  const env = evenEnv();
  const slots = openSlots(2);
  let freed = 0;
  const stop = slots.onFree(() => {
    freed += 1;
  });
  const leases = [await slots.take(1, callFor(env)), await slots.take(1, callFor(env))];
  const leaves = [slots.enter(), slots.enter()];
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
  const slots = openSlots(4);
  await slots.idle();
  const leaves = [slots.enter(), slots.enter()];
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
