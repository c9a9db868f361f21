import { expect, test } from "vitest";
import { openCall } from "../../../core/call.ts";
import { InferError } from "../../../core/error.ts";
import type { InferResponse } from "../../../core/request.ts";
import { gatewayStack, modelStack } from "../../../gateway/stack.ts";
import { timeoutLayer } from "../../../policies/timeout.ts";
import { fakeEnv } from "../../support/fake-env.ts";
import { requestFor, scripted, wholeReply } from "../../support/scripted.ts";

function setUp() {
  const env = fakeEnv();
  const { service, handle } = scripted();
  const call = openCall({ id: "r", traceparent: "t", clock: env.clock, protocol: "test" });
  const infer = gatewayStack({
    env,
    knows: (name) => name === "m",
    layers: new Map(),
    byModel: modelStack({ layers: new Map([["timeout", timeoutLayer(100)]]), route: service }),
  });
  return { env, handle, call, infer };
}

test("an answered request is counted once with its model, protocol and time", async () => {
  const { env, handle, call, infer } = setUp();
  const answer = infer(requestFor("m"), call);
  const asked = await handle.next();
  asked.call.trace.learn({ version: "2", backend: "local" });
  env.clock.advance(7);
  asked.reply(wholeReply("m", "2"));
  await answer;
  expect(env.events).toEqual([
    {
      type: "request-done",
      model: "m",
      version: "2",
      backend: "local",
      protocol: "test",
      code: "ok",
      origin: undefined,
      tookMs: 7,
    },
  ]);
  expect(env.clock.pending).toBe(0);
});

test("a refused request is counted with its code and whose fault it was", async () => {
  const { env, handle, call, infer } = setUp();
  const answer = infer(requestFor("m"), call);
  (await handle.next()).fail(new InferError("bad-backend", "lost"));
  await expect(answer).rejects.toMatchObject({ code: "bad-backend" });
  expect(env.events).toMatchObject([{ code: "bad-backend", origin: "backend" }]);
  expect(env.clock.pending).toBe(0);
});

test("a name that no config knows becomes no label", async () => {
  const { env, handle, call, infer } = setUp();
  const answer = infer(requestFor("made-up-name"), call);
  (await handle.next()).reply(wholeReply("made-up-name", "1"));
  await answer;
  expect(env.events).toMatchObject([{ model: undefined }]);
});

test("the model's limit aborts the call below it, and the caller's shorter one wins", async () => {
  const { env, handle, infer } = setUp();
  const call = openCall({ id: "r", traceparent: "t", clock: env.clock, protocol: "test", timeoutMs: 30 });
  infer(requestFor("m"), call).catch(() => {});
  const asked = await handle.next();
  expect(asked.call.deadline).toBe(30);
  const unhurried = openCall({ id: "r", traceparent: "t", clock: env.clock, protocol: "test", timeoutMs: 5000 });
  infer(requestFor("m"), unhurried).catch(() => {});
  expect((await handle.next()).call.deadline).toBe(100);
});

test("a stream is counted when it ends, and its deadline runs until then", async () => {
  const { env, handle, call, infer } = setUp();
  const answer = infer(requestFor("m"), call);
  async function* parts(): AsyncGenerator<InferResponse> {
    yield wholeReply("m", "1");
    yield wholeReply("m", "1");
  }
  (await handle.next()).reply({ kind: "stream", parts: parts() });
  const reply = await answer;
  if (reply.kind !== "stream") throw new Error("expected a stream");
  expect([env.events.length, env.clock.pending]).toEqual([0, 1]);
  for await (const part of reply.parts) {
    expect(part.kind).toBe("whole");
    break; // the reader stops early: that ends it too
  }
  expect([env.events.length, env.clock.pending]).toEqual([1, 0]);
});
