import { describe, expect, test } from "vitest";
import { abortReason, type CallInit, detach, narrow, openCall, share, unlessAborted } from "../../../core/call.ts";
import { InferError } from "../../../core/error.ts";
import { fakeClock } from "../../support/fake-env.ts";

const init = (clock = fakeClock()): CallInit & { clock: ReturnType<typeof fakeClock> } => ({
  id: "r1",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  protocol: "test",
  clock,
});

describe("openCall", () => {
  test("a call with a timeout is aborted at its deadline with a reason that tells the limit", () => {
    const start = init();
    const call = openCall({ ...start, timeoutMs: 20 });
    start.clock.advance(19);
    expect(call.signal.aborted).toBe(false);
    start.clock.advance(1);
    expect(call.signal.reason).toMatchObject({
      code: "deadline-exceeded",
      message: "no answer within the deadline of 20 ms",
    });
  });

  test("time spent before the call was opened counts", () => {
    const start = init();
    start.clock.advance(15);
    const call = openCall({ ...start, startedAt: 0, timeoutMs: 20 });
    start.clock.advance(5);
    expect(call.signal.aborted).toBe(true);
  });

  test("a client that leaves aborts the call as cancelled", () => {
    const client = new AbortController();
    const call = openCall({ ...init(), signal: client.signal });
    client.abort();
    expect(call.signal.reason).toMatchObject({ code: "cancelled", origin: "client" });
  });

  test("an ended call holds no timer and hears no more of its client", () => {
    const start = init();
    const client = new AbortController();
    const call = openCall({ ...start, signal: client.signal, timeoutMs: 20 });
    call.end();
    client.abort();
    start.clock.advance(100);
    expect(call.signal.aborted).toBe(false);
    expect(start.clock.pending).toBe(0);
  });
});

describe("narrow", () => {
  test("the tighter limit aborts the narrowed call and not its parent", () => {
    const start = init();
    const parent = openCall({ ...start, timeoutMs: 100 });
    const child = narrow(parent, { timeoutMs: 10 });
    start.clock.advance(10);
    expect([child.signal.aborted, parent.signal.aborted]).toEqual([true, false]);
    child.end();
    parent.end();
    expect(start.clock.pending).toBe(0);
  });

  test("a wider limit changes nothing", () => {
    const start = init();
    const child = narrow(openCall({ ...start, timeoutMs: 10 }), { timeoutMs: 1000 });
    expect(child.deadline).toBe(10);
  });

  test("the parent's abort reaches the child with its reason", () => {
    const parent = openCall(init());
    const child = narrow(parent, { timeoutMs: 10 });
    const reason = new InferError("cancelled", "gone");
    parent.cancel(reason);
    expect(abortReason(child.signal)).toBe(reason);
  });
});

test("a detached call outlives its caller and ends at its own deadline", () => {
  const start = init();
  const caller = openCall({ ...start, timeoutMs: 5 });
  const mirror = detach(caller, { timeoutMs: 50, purpose: "shadow" });
  start.clock.advance(49);
  expect([caller.signal.aborted, mirror.signal.aborted, mirror.purpose]).toEqual([true, false, "shadow"]);
  start.clock.advance(1);
  expect(mirror.signal.aborted).toBe(true);
});

describe("share", () => {
  test("shared work is cancelled only when the last of its callers has left", () => {
    const start = init();
    const [a, b] = [openCall({ ...start, timeoutMs: 10 }), openCall({ ...start, timeoutMs: 30 })];
    const shared = share([a, b]);
    expect(shared.deadline).toBe(30);
    start.clock.advance(10);
    expect(shared.signal.aborted).toBe(false);
    start.clock.advance(20);
    expect(shared.signal.reason).toMatchObject({ code: "deadline-exceeded" });
  });

  test("a caller that joins late keeps the work alive", () => {
    const start = init();
    const a = openCall({ ...start, timeoutMs: 10 });
    const shared = share([a]);
    shared.join(openCall({ ...start, timeoutMs: 100 }));
    start.clock.advance(10);
    expect(shared.signal.aborted).toBe(false);
  });
});

describe("unlessAborted", () => {
  test("the caller is freed at once, and the late failure of the work is nobody's", async () => {
    const call = openCall(init());
    let fail: (error: Error) => void = () => {};
    const work = unlessAborted(new Promise((_resolve, reject) => (fail = reject)), call.signal);
    call.cancel(new InferError("cancelled", "gone"));
    await expect(work).rejects.toMatchObject({ code: "cancelled" });
    fail(new Error("late"));
  });

  test("a value that comes in time is passed on", async () => {
    await expect(unlessAborted(Promise.resolve(7), openCall(init()).signal)).resolves.toBe(7);
  });
});
