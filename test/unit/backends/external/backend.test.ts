import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../../../core/backend.ts";
import { InferError } from "../../../../core/error.ts";
import type { InferResponse } from "../../../../core/request.ts";
import { NO_PARAMETERS } from "../../../../core/tensor.ts";
import { requestFor, wholeReply } from "../../../support/scripted.ts";
import { callFor, fakeServer, openFake, pass, ready, settle, UNREACHABLE } from "./fake-server.ts";

const NEVER = new AbortController().signal;

function first(endpoints: readonly Endpoint[]): Endpoint {
  const [endpoint] = endpoints;
  if (endpoint === undefined) throw new Error("no endpoint");
  return endpoint;
}

function byVersion(version: string) {
  return requestFor("m", { model: { name: "m", select: { by: "version", version } } });
}

describe("a backend of external servers", () => {
  test("opens though no server is there, and takes work as soon as one is", async () => {
    const server = fakeServer({ fault: UNREACHABLE });
    const { env, backend } = await openFake({ "a:1": server });
    const endpoint = first(backend.endpoints.list());
    expect([endpoint.available(), backend.catalog.ready("m")]).toEqual([false, undefined]);
    server.fault = undefined;
    await pass(env, 5000, 1000);
    expect([endpoint.available(), endpoint.serves({ name: "m", version: "1" }), backend.catalog.ready("m")]).toEqual([
      true,
      true,
      ["1"],
    ]);
    expect(env.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
      "warn endpoint is not healthy",
      "info endpoint is healthy",
    ]);
  });

  test("sends a call to its server and says what came of it", async () => {
    const server = fakeServer();
    const { env, backend } = await openFake({ "a:1": server });
    const call = callFor(env);
    const reply = first(backend.endpoints.list()).infer(byVersion("1"), call);
    const asked = await server.handle.next();
    env.clock.advance(7);
    asked.reply(wholeReply("m", "1"));
    expect(await reply).toEqual(wholeReply("m", "1"));
    expect(call.trace.facts).toEqual({ backend: "b", endpoint: "b/a:1", version: "1", ranMs: 7 });
    expect(env.events.filter(({ type }) => type === "run-done")).toEqual([
      { type: "run-done", backend: "b", model: "m", version: "1", queuedMs: 0, ranMs: 7 },
    ]);
  });

  test("refuses a call more than a server may have, to be tried elsewhere, and takes one as soon as another is done", async () => {
    const server = fakeServer();
    const { env, backend } = await openFake({ "a:1": server }, { limits: { inFlight: 2 } });
    const endpoint = first(backend.endpoints.list());
    const running = [endpoint.infer(byVersion("1"), callFor(env)), endpoint.infer(byVersion("1"), callFor(env))];
    // it is well and has no room: only the slots say that
    expect([endpoint.available(), endpoint.slots.busy, endpoint.slots.free]).toEqual([true, 2, 0]);
    await expect(endpoint.infer(byVersion("1"), callFor(env))).rejects.toMatchObject({
      code: "overloaded",
      origin: "gateway",
      retryable: "elsewhere",
    });
    let freed = 0;
    endpoint.slots.onFree(() => {
      freed += 1;
    });
    (await server.handle.next()).fail(new InferError("bad-backend", "boom"));
    await expect(running[0]).rejects.toThrow("boom");
    expect([endpoint.available(), endpoint.slots.busy, endpoint.slots.free, freed]).toEqual([true, 1, 1, 1]);
    (await server.handle.next()).reply(wholeReply("m", "1"));
    await running[1];
    expect([endpoint.slots.busy, freed]).toEqual([0, 2]);
  });

  test("counts a stream until it has ended, however it ends", async () => {
    const part: InferResponse = {
      kind: "whole",
      model: { name: "m", version: "1" },
      outputs: [],
      parameters: NO_PARAMETERS,
    };
    const server = fakeServer({
      infer: async () => ({
        kind: "stream",
        parts: (async function* () {
          yield part;
          yield part;
        })(),
      }),
    });
    const { env, backend } = await openFake({ "a:1": server });
    const endpoint = first(backend.endpoints.list());
    const open = async (signal?: AbortSignal) => {
      const reply = await endpoint.infer(byVersion("1"), callFor(env, signal === undefined ? {} : { signal }));
      if (reply.kind !== "stream") throw new Error("no stream");
      return reply.parts[Symbol.asyncIterator]();
    };
    const leaving = new AbortController();
    const [read, stopped, unread, left] = [await open(), await open(), await open(), await open(leaving.signal)];
    expect(endpoint.slots.busy).toBe(4);
    while ((await read.next()).done !== true);
    expect(endpoint.slots.busy).toBe(3);
    await stopped.next();
    await stopped.return?.();
    expect(endpoint.slots.busy).toBe(2);
    await unread.return?.();
    expect(endpoint.slots.busy).toBe(1);
    await left.next();
    leaving.abort(new InferError("cancelled", "left"));
    expect(endpoint.slots.busy).toBe(0);
  });

  test("a call that cannot reach its server takes it away with the next question, not at the rate of the traffic", async () => {
    const server = fakeServer();
    const { env, backend } = await openFake({ "a:1": server, "b:1": fakeServer() });
    await pass(env, 2000, 1000);
    const endpoint = first(backend.endpoints.list());
    server.fault = UNREACHABLE;
    for (let i = 0; i < 50; i++) {
      const reply = endpoint.infer(byVersion("1"), callFor(env));
      (await server.handle.next()).fail(UNREACHABLE);
      await expect(reply).rejects.toBe(UNREACHABLE);
    }
    await pass(env, 1);
    expect([endpoint.available(), server.asked.health]).toEqual([false, 2]);
    expect(backend.catalog.ready("m")).toEqual(["1"]);
    // who asks all the same, because nobody is left, is not refused
    const reply = endpoint.infer(byVersion("1"), callFor(env));
    (await server.handle.next()).reply(wholeReply("m", "1"));
    expect((await reply).kind).toBe("whole");
  });

  test.each([
    ["the client's own fault", new InferError("invalid-argument", "shape")],
    ["a model's own fault", new InferError("bad-backend", "boom")],
    ["a caller who left", new InferError("cancelled", "left")],
    ["the gateway's own refusal", new InferError("unavailable", "closed", { origin: "gateway" })],
  ])("%s asks nothing of the server's health", async (_what, fault) => {
    const server = fakeServer();
    const { env, backend } = await openFake({ "a:1": server });
    await pass(env, 2000, 1000);
    const reply = first(backend.endpoints.list()).infer(byVersion("1"), callFor(env));
    (await server.handle.next()).fail(fault);
    await expect(reply).rejects.toBe(fault);
    await pass(env, 1000);
    expect(server.asked.health).toBe(1);
  });

  test("asks the server itself whether a model is ready, when asked to", async () => {
    const server = fakeServer();
    const { backend } = await openFake({ "a:1": server });
    const endpoint = first(backend.endpoints.list());
    server.models = [ready("m", "2"), { name: "m", version: "3", state: "loading" }];
    expect(endpoint.serves({ name: "m", version: "2" })).toBe(false);
    expect(await endpoint.ready({ name: "m", version: "2" }, NEVER)).toBe(true);
    expect(await endpoint.ready({ name: "m", version: "3" }, NEVER)).toBe(false);
    expect(await endpoint.ready({ name: "m" }, NEVER)).toBe(true);
  });
});

describe("the end of a backend", () => {
  test("waits for the calls in flight, refuses new ones, and happens once", async () => {
    const server = fakeServer();
    const { env, backend } = await openFake({ "a:1": server });
    const endpoint = first(backend.endpoints.list());
    const reply = endpoint.infer(byVersion("1"), callFor(env));
    const asked = await server.handle.next();
    const ends: string[] = [];
    const closing = Promise.all([
      backend.close().then(() => ends.push("first")),
      backend.close().then(() => ends.push("second")),
    ]);
    await settle();
    expect([ends, server.closed]).toEqual([[], 0]);
    await expect(endpoint.infer(byVersion("1"), callFor(env))).rejects.toThrow("no longer in use");
    asked.reply(wholeReply("m", "1"));
    await reply;
    await closing;
    expect([ends.length, server.closed, env.clock.pending]).toEqual([2, 1, 0]);
    await pass(env, 30_000, 5000);
    expect(server.asked.health).toBe(1);
  });

  test("a server that cannot be opened is no endpoint, and the others are", async () => {
    const { env, backend } = await openFake({ "a:1": fakeServer() }, { endpoints: ["nobody:1", "a:1"] });
    expect(backend.endpoints.list().map(({ id }) => id)).toEqual(["b/a:1"]);
    expect(env.lines.find(({ level }) => level === "error")?.message).toMatch(/^no endpoint at nobody:1: /);
  });

  test("a file of tls that is not there is a mistake of the config", async () => {
    await expect(openFake({ "a:1": fakeServer() }, { tls: { ca: "nothing.pem" } })).rejects.toMatchObject({
      code: "invalid-argument",
      message: "tls.ca: no file can be read at /base/nothing.pem",
    });
  });
});

test("sixty-four servers with a hundred models each share one picture of them", async () => {
  const models = () => Array.from({ length: 100 }, (_, i) => ready(`model-${i}`));
  const servers = Object.fromEntries(
    Array.from({ length: 64 }, (_, i) => [`s${i}:1`, fakeServer({ models: models() })] as const),
  );
  const { backend } = await openFake(servers);
  const looks = new Set(backend.endpoints.list().map((endpoint) => (endpoint as { readonly look?: unknown }).look));
  expect([looks.size, backend.catalog.list().length]).toEqual([1, 100]);
  for (const endpoint of backend.endpoints.list()) expect(endpoint.serves({ name: "model-99" })).toBe(true);
});
