import { expect, test } from "vitest";
import { type OwnedCall, openCall } from "../../../../core/call.ts";
import { InferError } from "../../../../core/error.ts";
import type { InferResponse, Reply } from "../../../../core/request.ts";
import { bulkheadLayer } from "../../../../policies/limit/bulkhead.ts";
import { fakeEnv } from "../../../support/fake-env.ts";
import { requestFor, scripted, wholeReply } from "../../../support/scripted.ts";

function bench(concurrency: { readonly limit: number; readonly queue: number }) {
  const env = fakeEnv();
  const layer = bulkheadLayer(concurrency, { model: "m", env });
  const call = (): OwnedCall => openCall({ id: "", traceparent: "", clock: env.clock, protocol: "test" });
  return { env, layer, call };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 8; i += 1) await Promise.resolve();
}

test("the versions of a model share its places, and the queue is one", async () => {
  const { layer, call, env } = bench({ limit: 2, queue: 1 });
  const [stable, next] = [scripted(), scripted()];
  const [onStable, onNext] = [layer(stable.service), layer(next.service)];
  const first = onStable(requestFor("m"), call());
  const second = onNext(requestFor("m"), call());
  const third = onStable(requestFor("m"), call());
  await settled();
  expect([stable.handle.waiting, next.handle.waiting]).toEqual([1, 1]);
  await expect(onNext(requestFor("m"), call())).rejects.toMatchObject({
    code: "overloaded",
    message: 'model "m" has 2 calls, as many as it may, and 1 wait',
  });
  (await next.handle.next()).fail(new InferError("bad-backend", "boom"));
  await expect(second).rejects.toThrow("boom");
  await settled();
  expect(stable.handle.waiting).toBe(2);
  for (let i = 0; i < 2; i += 1) (await stable.handle.next()).reply(wholeReply("m", "1"));
  await Promise.all([first, third]);
  expect(env.events).toEqual([
    { type: "limit", of: { at: "model", model: "m" }, limit: 2 },
    { type: "limit-queue", of: { at: "model", model: "m" }, waiting: 1 },
    { type: "shed", of: { at: "model", model: "m" }, reason: "full" },
    { type: "limit-queue", of: { at: "model", model: "m" }, waiting: 0 },
  ]);
});

test("the wait is told in the trace", async () => {
  const { layer, call, env } = bench({ limit: 1, queue: 1 });
  const { service, handle } = scripted();
  const limited = layer(service);
  const first = limited(requestFor("m"), call());
  const waiting = call();
  const second = limited(requestFor("m"), waiting);
  env.clock.advance(12);
  (await handle.next()).reply(wholeReply("m", "1"));
  await first;
  (await handle.next()).reply(wholeReply("m", "1"));
  await second;
  expect(waiting.trace.decisions).toEqual([{ policy: "limit", said: "waited 12 ms for one of 1 places" }]);
});

async function* parts(count: number): AsyncGenerator<InferResponse> {
  for (let i = 0; i < count; i += 1) yield wholeReply("m", "1");
}

test.each([
  [
    "ends",
    async (reply: Reply) => {
      if (reply.kind === "stream") for await (const _ of reply.parts);
    },
  ],
  [
    "is given up by its reader",
    async (reply: Reply) => {
      if (reply.kind === "stream") for await (const _ of reply.parts) break;
    },
  ],
  [
    "is left by its caller before the first part is read",
    async (_: Reply, call: OwnedCall) => {
      call.cancel(new InferError("cancelled", "left"));
    },
  ],
])("a stream has its place until it %s", async (_, over) => {
  const { layer, call } = bench({ limit: 1, queue: 0 });
  const { service, handle } = scripted();
  const limited = layer(service);
  const streaming = call();
  const asked = limited(requestFor("m"), streaming);
  (await handle.next()).reply({ kind: "stream", parts: parts(3) });
  const reply = await asked;
  await expect(limited(requestFor("m"), call())).rejects.toMatchObject({ code: "overloaded" });
  await over(reply, streaming);
  const next = limited(requestFor("m"), call());
  (await handle.next()).reply(wholeReply("m", "1"));
  await next;
});
