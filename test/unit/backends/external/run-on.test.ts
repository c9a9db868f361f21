// Calls that cannot be aborted: callers are freed, and the work goes on and is seen to its end.

import { expect, test } from "vitest";
import { type Abandoned, runOn } from "../../../../backends/external/run-on.ts";
import { openCall } from "../../../../core/call.ts";
import { InferError } from "../../../../core/error.ts";
import type { InferResponse } from "../../../../core/request.ts";
import { fakeClock } from "../../../support/fake-env.ts";
import { requestFor, scripted, wholeReply } from "../../../support/scripted.ts";

function setUp(timeoutMs?: number) {
  const clock = fakeClock();
  const { service, handle } = scripted();
  const abandoned: Abandoned[] = [];
  const limit = timeoutMs === undefined ? {} : { timeoutMs };
  const call = openCall({ id: "c", traceparent: "", clock, protocol: "test", ...limit });
  const asking = runOn(service, (work) => abandoned.push(work))(requestFor("m"), call).catch(
    (error: InferError) => error,
  );
  return { clock, handle, abandoned, call, asking };
}

const left = new InferError("cancelled", "the client left");

test("a caller who leaves hears its own reason at once, and the server is not told", async () => {
  const { handle, abandoned, call, asking } = setUp();
  const asked = await handle.next();
  call.cancel(left);
  expect(await asking).toBe(left);
  expect([asked.call.signal.aborted, abandoned.length]).toEqual([false, 1]);
  asked.reply(wholeReply("m", "1"));
  expect(await abandoned[0]?.ended).toBeUndefined();
});

test("a deadline frees its caller in the same way", async () => {
  const { clock, handle, abandoned, asking } = setUp(20);
  const asked = await handle.next();
  clock.advance(20);
  expect(await asking).toMatchObject({ code: "deadline-exceeded" });
  const fault = new InferError("unavailable", "broken off");
  asked.fail(fault);
  expect(await abandoned[0]?.ended).toBe(fault);
});

test("an answer that is waited for comes as it is, and leaves no timer", async () => {
  const { clock, handle, abandoned, asking } = setUp();
  const reply = wholeReply("m", "1");
  (await handle.next()).reply(reply);
  expect([await asking, abandoned, clock.pending]).toEqual([reply, [], 0]);
});

test("work that is abandoned can be let go, and is by itself after five minutes", async () => {
  const { handle, abandoned, call } = setUp();
  const asked = await handle.next();
  call.cancel(left);
  await Promise.resolve();
  await Promise.resolve();
  abandoned[0]?.cancel(new InferError("cancelled", "closed"));
  expect(asked.call.signal.aborted).toBe(true);
  const other = setUp();
  const long = await other.handle.next();
  other.call.cancel(left);
  other.clock.advance(5 * 60_000);
  expect(long.call.signal.reason).toMatchObject({ code: "deadline-exceeded" });
});

test("a stream that has begun ends with its caller", async () => {
  const { handle, abandoned, call, asking } = setUp();
  const asked = await handle.next();
  const parts = async function* (): AsyncGenerator<InferResponse> {
    yield wholeReply("m", "1");
    yield wholeReply("m", "2");
  };
  asked.reply({ kind: "stream", parts: parts() });
  const reply = await asking;
  if (reply instanceof InferError || reply.kind !== "stream") throw new Error("expected a stream");
  await reply.parts[Symbol.asyncIterator]().next();
  call.cancel(left);
  expect([asked.call.signal.reason, abandoned]).toEqual([left, []]);
});
