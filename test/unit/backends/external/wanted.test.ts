import { describe, expect, test } from "vitest";
import { fakeServer, openFake, pass, ready, SIGNATURE, settle, UNREACHABLE } from "./fake-server.ts";

const NEVER = new AbortController().signal;

describe("the models that somebody wants", () => {
  test("are asked for at once, and no longer when nobody wants them", async () => {
    const server = fakeServer();
    const { env, backend } = await openFake({ "a:1": server }, { models: { always: {} } });
    expect(server.wanted).toEqual(["always"]);
    const stops = [backend.follow?.({ name: "k" }), backend.follow?.({ name: "k" })];
    await settle();
    expect([server.wanted, server.asked.models]).toEqual([["always", "k"], 2]);
    stops[0]?.();
    stops[0]?.();
    await pass(env, 5000, 1000);
    expect(server.wanted).toEqual(["always", "k"]);
    stops[1]?.();
    await pass(env, 5000, 1000);
    expect(server.wanted).toEqual(["always"]);
  });

  test("a hundred of them wanted at once cost one look more", async () => {
    const server = fakeServer();
    const { backend } = await openFake({ "a:1": server });
    for (let i = 0; i < 100; i++) backend.follow?.({ name: `k${i}` });
    await settle();
    expect([server.wanted.length, server.asked.models]).toEqual([100, 3]);
  });

  test("have their signatures fetched before anybody asks, and anew when the server is another", async () => {
    const server = fakeServer();
    const { env, backend } = await openFake({ "a:1": server });
    backend.follow?.({ name: "m" });
    await settle();
    expect(server.asked.metadata).toBe(1);
    expect((await backend.metadata({ name: "m" }, NEVER)).inputs).toEqual(SIGNATURE.inputs);
    server.signatures.m = { inputs: [], outputs: [] };
    await pass(env, 5000, 1000);
    expect(server.asked.metadata).toBe(1);
    server.word = "fake 1.1";
    await pass(env, 5000, 1000);
    expect((await backend.metadata({ name: "m" }, NEVER)).inputs).toEqual([]);
    expect(server.asked.metadata).toBe(2);
  });

  test.each([
    ["left and came back", [[], [ready("m")]]],
    ["was not ready for a while", [[{ name: "m", version: "1", state: "loading" } as const], [ready("m")]]],
    ["has a version more", [[ready("m"), ready("m", "2")]]],
  ])("a model that %s is asked for its signature again", async (_what, looks) => {
    const server = fakeServer();
    const { env, backend } = await openFake({ "a:1": server });
    backend.follow?.({ name: "m" });
    await settle();
    server.signatures.m = { inputs: [], outputs: [] };
    for (const look of looks) {
      server.models = look;
      await pass(env, 5000, 1000);
    }
    expect((await backend.metadata({ name: "m", version: "1" }, NEVER)).inputs).toEqual([]);
  });

  test("are asked for again when a server was away, since it may be another one under the same name", async () => {
    const server = fakeServer();
    const { env, backend } = await openFake({ "a:1": server });
    backend.follow?.({ name: "m" });
    await settle();
    server.fault = UNREACHABLE;
    await pass(env, 10_000, 1000);
    expect(backend.catalog.ready("m")).toEqual([]);
    server.fault = undefined;
    server.signatures.m = { inputs: [], outputs: [] };
    await pass(env, 10_000, 1000);
    expect((await backend.metadata({ name: "m", version: "1" }, NEVER)).inputs).toEqual([]);
  });

  test("are asked for again when the server that told was away, though another had the model all the time", async () => {
    const [a, b] = [fakeServer(), fakeServer()];
    const { env, backend } = await openFake({ "a:1": a, "b:1": b });
    backend.follow?.({ name: "m" });
    await settle();
    a.fault = UNREACHABLE;
    await pass(env, 10_000, 1000);
    expect(backend.catalog.ready("m")).toEqual(["1"]);
    a.fault = undefined;
    a.signatures.m = { inputs: [], outputs: [] };
    await pass(env, 10_000, 1000);
    expect((await backend.metadata({ name: "m", version: "1" }, NEVER)).inputs).toEqual([]);
    const differs = 'model "m" version 1: b/b:1 has another signature than b/a:1: input "x" is in the second only';
    expect(env.lines.map(({ message }) => message)).toContain(differs);
  });

  test("what the config declares holds where the server cannot tell: the backend's word first", async () => {
    const server = fakeServer({ models: [ready("m"), ready("k")], signatures: {} });
    const declared = { inputs: [], outputs: [] };
    const { backend } = await openFake({ "a:1": server }, { models: { m: { signature: SIGNATURE } } });
    backend.follow?.({ name: "m", declared });
    backend.follow?.({ name: "k", declared });
    expect((await backend.metadata({ name: "m" }, NEVER)).inputs).toEqual(SIGNATURE.inputs);
    expect((await backend.metadata({ name: "k" }, NEVER)).inputs).toEqual([]);
  });
});
