import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../../../core/backend.ts";
import { requestFor, wholeReply } from "../../../support/scripted.ts";
import { callFor, fakeResolver, fakeServer, openFake, pass, settle } from "./fake-server.ts";

const _NEVER = new AbortController().signal;

function first(endpoints: readonly Endpoint[]): Endpoint {
  const [endpoint] = endpoints;
  if (endpoint === undefined) throw new Error("no endpoint");
  return endpoint;
}

function byVersion(version: string) {
  return requestFor("m", { model: { name: "m", select: { by: "version", version } } });
}

describe("servers that come and go", () => {
  function moving(start: readonly string[]) {
    const state = { hosts: start };
    const servers = Object.fromEntries(["10.0.0.1", "10.0.0.2", "10.0.0.3"].map((host) => [`${host}:1`, fakeServer()]));
    const resolver = fakeResolver({ addresses: async () => state.hosts });
    const open = () => openFake(servers, { endpoints: { dns: "t:1" } }, { resolver });
    return { state, servers, open };
  }

  test("are opened and closed once each, and those that stay are not touched", async () => {
    const { state, servers, open } = moving(["10.0.0.1", "10.0.0.2"]);
    const { env, backend } = await open();
    const before = backend.endpoints.list();
    let changes = 0;
    backend.endpoints.onChange(() => {
      changes += 1;
    });
    state.hosts = ["10.0.0.3", "10.0.0.2"];
    await pass(env, 10_000, 1000);
    const after = backend.endpoints.list();
    expect(after.map(({ id }) => id)).toEqual(["b/10.0.0.2:1", "b/10.0.0.3:1"]);
    expect(after[0]).toBe(before[1]);
    expect(Object.values(servers).map(({ opened, closed }) => [opened, closed])).toEqual([
      [1, 1],
      [1, 0],
      [1, 0],
    ]);
    expect(changes).toBe(1);
    expect(env.events.filter((event) => event.type === "endpoint-state" && event.state === "gone")).toHaveLength(1);
  });

  test("are called by the name that was written, wherever it was found", async () => {
    const { servers, open } = moving(["10.0.0.1", "10.0.0.2"]);
    const { backend } = await open();
    const doors = Object.values(servers).flatMap((server) => server.doors);
    expect(doors.map(({ url, endpoint }) => [url.href, endpoint])).toEqual([
      ["http://t:1/", "b/10.0.0.1:1"],
      ["http://t:1/", "b/10.0.0.2:1"],
    ]);
    await backend.close();
  });

  test("in another order change nothing", async () => {
    const { state, open } = moving(["10.0.0.1", "10.0.0.2"]);
    const { env, backend } = await open();
    const before = backend.endpoints.list();
    state.hosts = ["10.0.0.2", "10.0.0.1"];
    await pass(env, 30_000, 1000);
    expect(backend.endpoints.list()).toBe(before);
  });

  test("one that goes finishes its calls first, and takes no new ones", async () => {
    const { state, servers, open } = moving(["10.0.0.1", "10.0.0.2"]);
    const { env, backend } = await open();
    const endpoint = first(backend.endpoints.list());
    const reply = endpoint.infer(byVersion("1"), callFor(env));
    const asked = await servers["10.0.0.1:1"]?.handle.next();
    state.hosts = ["10.0.0.2"];
    await pass(env, 10_000, 1000);
    expect([endpoint.available(), servers["10.0.0.1:1"]?.closed]).toEqual([false, 0]);
    // the gauge goes at once: a new endpoint may stand under the same id before the calls of the old one have ended
    expect(env.events.filter((event) => event.type === "endpoint-state" && event.state === "gone")).toHaveLength(1);
    await expect(endpoint.infer(byVersion("1"), callFor(env))).rejects.toMatchObject({
      code: "unavailable",
      retryable: "elsewhere",
    });
    asked?.reply(wholeReply("m", "1"));
    await reply;
    await settle();
    expect(servers["10.0.0.1:1"]?.closed).toBe(1);
  });

  test("a file's new weight holds for the same endpoint, in a new list", async () => {
    let text = "- {address: 'a:1', weight: 1}\n- {address: 'b:1', weight: 1}";
    const server = fakeServer();
    const resolver = fakeResolver({ readFile: async () => text });
    const { env, backend } = await openFake(
      { "a:1": server, "b:1": fakeServer() },
      { endpoints: { file: "e.yaml" } },
      { resolver },
    );
    const before = backend.endpoints.list();
    text = "- {address: 'a:1', weight: 5, zone: eu, tags: [big]}\n- {address: 'b:1', weight: 7}";
    await pass(env, 5000, 1000);
    const after = backend.endpoints.list();
    expect(after).not.toBe(before);
    expect(after[0]).toBe(before[0]);
    expect(after[0]).toMatchObject({ weight: 5, zone: "eu", tags: ["big"] });
    expect(after[1]?.weight).toBe(7);
    expect(server.opened).toBe(1);
  });
});
