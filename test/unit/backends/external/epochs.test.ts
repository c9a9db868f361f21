// What is known of a model on a server that does not tell what its models are made of: since when it may be what it is.

import { expect, test } from "vitest";
import { BROKEN_OFF } from "../../../../backends/connection.ts";
import { InferError } from "../../../../core/error.ts";
import type { Identity, Signature } from "../../../../core/model.ts";
import { requestFor } from "../../../support/scripted.ts";
import {
  callFor,
  type FakeServer,
  fakeServer,
  openFake,
  pass,
  ready,
  SIGNATURE,
  settle,
  UNREACHABLE,
} from "./fake-server.ts";

async function opened(servers: Readonly<Record<string, FakeServer>>, words = {}) {
  const { env, backend } = await openFake(servers, words);
  const of = (name = "m"): Identity => {
    const identity = backend.identity?.({ name });
    if (identity === undefined) throw new Error("expected an identity");
    return identity;
  };
  backend.follow?.({ name: "m" });
  await pass(env, 6_000, 1_000);
  return { env, backend, of };
}

test("it is the same for as long as nothing is seen, and no other process has the same", async () => {
  const { env, of } = await opened({ "a:1": fakeServer() });
  const before = of();
  await pass(env, 60_000, 1_000);
  expect(of()).toBe(before);
  expect(before.portable).toBe(false);
  const other = await opened({ "a:1": fakeServer() });
  expect(other.of().id).not.toBe(before.id);
});

test("it is another one when the model was not ready and is again", async () => {
  const server = fakeServer();
  const { env, of } = await opened({ "a:1": server });
  const before = of();
  server.models = [{ ...ready("m"), state: "unavailable" }];
  await pass(env, 6_000, 1_000);
  server.models = [ready("m")];
  await pass(env, 6_000, 1_000);
  expect(of()).not.toBe(before);
  expect(of().id).not.toBe(before.id);
});

test("it is another one when a server of it went away and came back", async () => {
  const [one, two] = [fakeServer(), fakeServer()];
  const { env, of } = await opened({ "a:1": one, "b:2": two });
  const before = of();
  two.fault = UNREACHABLE;
  await pass(env, 20_000, 1_000);
  two.fault = undefined;
  await pass(env, 20_000, 1_000);
  expect(of().id).not.toBe(before.id);
});

test("it is another one when the server is another one than before, and when a version comes", async () => {
  const server = fakeServer();
  const { env, of } = await opened({ "a:1": server });
  const before = of();
  server.word = "fake 2.0";
  await pass(env, 12_000, 1_000);
  const after = of();
  expect(after.id).not.toBe(before.id);
  server.models = [ready("m", "1"), ready("m", "2")];
  await pass(env, 6_000, 1_000);
  expect(of().id).not.toBe(after.id);
});

test("it is another one when nobody listened there, be it for one question only", async () => {
  const server = fakeServer();
  const { env, of } = await opened({ "a:1": server });
  const before = of();
  server.fault = new InferError("unavailable", "no connection", { unsent: true });
  await pass(env, 6_000, 1_000);
  server.fault = undefined;
  await pass(env, 6_000, 1_000);
  expect(of().id).not.toBe(before.id);
});

test("it is another one when a server said but once that it is not ready, as one does that goes down", async () => {
  const server = fakeServer();
  const { env, of } = await opened({ "a:1": server });
  const before = of();
  server.fault = new InferError("unavailable", "the server says that it is not ready");
  const asked = server.asked.health;
  while (server.asked.health === asked) await pass(env, 100);
  server.fault = undefined;
  await pass(env, 6_000, 1_000);
  expect(of().id).not.toBe(before.id);
});

test("it goes on beside a server that has been away for long, and under a server that only answers late", async () => {
  const [one, two] = [fakeServer(), fakeServer()];
  const { env, of } = await opened({ "a:1": one, "b:2": two });
  two.fault = new InferError("unavailable", "no connection", { unsent: true });
  await pass(env, 30_000, 1_000);
  const before = of();
  await pass(env, 60_000, 1_000);
  expect(of()).toBe(before);
  one.hangs = true;
  const asked = one.asked.health;
  while (one.asked.health === asked) await pass(env, 100);
  await pass(env, 1_500, 100);
  one.hangs = false;
  await pass(env, 6_000, 1_000);
  expect(of()).toBe(before);
});

test("a load or unload through the gateway makes all models of the backend others: one may be a part of another", async () => {
  const control = { load: async () => {}, unload: async () => {} };
  const server = fakeServer({ models: [ready("m"), ready("ensemble")], control });
  const { backend, of } = await opened({ "a:1": server });
  const before = [of("m"), of("ensemble")];
  const { signal } = new AbortController();
  await backend.control?.load?.("m", signal);
  const after = [of("m"), of("ensemble")];
  await backend.control?.unload?.("m", signal);
  for (const [i, name] of ["m", "ensemble"].entries()) {
    expect(new Set([before[i]?.id, after[i]?.id, of(name).id]).size).toBe(3);
  }
});

const OTHER: Signature = { ...SIGNATURE, outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }] };

test("it is another one, and so are those of all other models there, when a server tells another signature than before", async () => {
  const server = fakeServer({ models: [ready("m"), ready("ensemble")] });
  const { env, backend, of } = await opened({ "a:1": server });
  const before = [of("m").id, of("ensemble").id];
  await pass(env, 1_000);
  server.signatures = { ...server.signatures, m: OTHER };
  expect([of("m").id, of("ensemble").id]).toEqual(before);
  // the time between two health checks
  await pass(env, 5_000, 1_000);
  const after = [of("m").id, of("ensemble").id];
  for (const [i, id] of after.entries()) expect(id).not.toBe(before[i]);
  const known = await backend.metadata({ name: "m" }, new AbortController().signal);
  expect(known.outputs).toEqual(OTHER.outputs);
  await pass(env, 20_000, 1_000);
  expect([of("m").id, of("ensemble").id]).toEqual(after);
});

test("it is noticed too when nobody has asked for the model meanwhile, with the first who does", async () => {
  const server = fakeServer();
  const { env, of } = await opened({ "a:1": server });
  const before = of().id;
  await pass(env, 60_000, 1_000);
  const { metadata } = server.asked;
  await pass(env, 60_000, 1_000);
  // nobody is asked about what nobody uses
  expect(server.asked.metadata).toBe(metadata);
  server.signatures = { m: OTHER };
  expect(of().id).toBe(before);
  await settle();
  expect(of().id).not.toBe(before);
});

test("it goes on where two servers tell other signatures than each other, and where a server tells none", async () => {
  const [one, two] = [fakeServer(), fakeServer({ signatures: { m: OTHER } })];
  const [silent, words] = [
    fakeServer({ signatures: {} }),
    { models: { m: { signature: { inputs: [], outputs: [] } } } },
  ];
  for (const { env, of } of [await opened({ "a:1": one, "b:2": two }), await opened({ "c:3": silent }, words)]) {
    const before = of().id;
    for (let n = 0; n < 60; n += 1) {
      await pass(env, 1_000);
      expect(of().id).toBe(before);
    }
  }
  expect(one.asked.metadata).toBeGreaterThan(10);
  expect(silent.asked.metadata).toBeLessThan(5);
});

test("a server that fails to tell its signature for a while says nothing by that", async () => {
  const server = fakeServer();
  const { env, of } = await opened({ "a:1": server });
  const before = of().id;
  const told = server.signatures;
  for (let n = 0; n < 30; n += 1) {
    // no health check fails, only this
    Object.defineProperty(server, "signatures", {
      get() {
        if (n % 10 > 5) throw new InferError("unavailable", "busy");
        return told;
      },
      configurable: true,
    });
    await pass(env, 1_000);
    expect(of().id).toBe(before);
  }
});

test("a server that told no signature and does so after it was replaced is watched from then on", async () => {
  const server = fakeServer({ signatures: {} });
  const { env, of } = await opened({ "a:1": server }, { models: { m: { signature: { inputs: [], outputs: [] } } } });
  of();
  await pass(env, 6_000, 1_000);
  server.word = "fake 2.0";
  server.signatures = { m: SIGNATURE };
  await pass(env, 12_000, 1_000);
  const before = of().id;
  await pass(env, 1_000);
  expect(of().id).toBe(before);
  server.signatures = { m: OTHER };
  await pass(env, 6_000, 1_000);
  expect(of().id).not.toBe(before);
});

test("it is another one when a connection ended under a request, but not when the server itself refused one", async () => {
  let fault = new InferError("unavailable", "the server is full");
  const { env, backend, of } = await opened({ "a:1": fakeServer({ infer: async () => Promise.reject(fault) }) });
  const ask = () => {
    const answer = backend.endpoints.list()[0]?.infer(requestFor("m"), callFor(env));
    return expect(answer).rejects.toThrow(fault.message);
  };
  const before = of();
  await ask();
  expect(of()).toBe(before);
  fault = new InferError("unavailable", BROKEN_OFF);
  await ask();
  expect(of().id).not.toBe(before.id);
});
