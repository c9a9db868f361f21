import { describe, expect, it } from "vitest";
import type { InferResponse } from "../../../../core/request.ts";
import { openFrames } from "../../../../gateway/valkey/frame.ts";
import { openSecondLevel } from "../../../../gateway/valkey/second-level.ts";
import type { Answer, Command, Ears, Valkey } from "../../../../gateway/valkey.ts";
import type { Place, Scope, StoredAnswer } from "../../../../policies/cache/second-level.ts";
import { fakeEnv } from "../../../support/fake-env.ts";

const secret = "a secret that all replicas share";

/** A server in a map, whose connections the test cuts. */
function fakeServer() {
  const values = new Map<string, Uint8Array>();
  const ears = new Set<Ears>();
  const asked: (readonly Command[])[] = [];
  const state = { up: true };
  const text = (value: string | number | Uint8Array | undefined) =>
    value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value));
  const run = ([name, ...args]: Command): Answer => {
    const key = String(args[0]);
    switch (name) {
      case "MGET":
        return args.map((one) => values.get(String(one)) ?? null);
      case "SET":
        if (args.includes("NX") && values.has(key)) return null;
        values.set(key, text(args[1]));
        return text("OK");
      case "UNLINK":
        return values.delete(key) ? 1 : 0;
      case "PUBLISH":
        for (const one of ears) one.heard(String(args[1]));
        return ears.size;
      case "EXEC":
        return [];
      default:
        return text("OK");
    }
  };
  const connect = (): Valkey => ({
    available: () => state.up,
    async ask(commands) {
      asked.push(commands);
      return state.up ? commands.map(run) : undefined;
    },
    listen(_channel, one) {
      ears.add(one);
      one.listening();
      return () => ears.delete(one);
    },
    close: async () => {},
  });
  return { values, ears, asked, state, connect };
}

function aReplica(server: ReturnType<typeof fakeServer>) {
  const env = fakeEnv();
  let made = 0;
  const level = openSecondLevel({
    valkey: server.connect(),
    frames: openFrames({ secret, maxBytes: 10_000 }),
    env,
    prefix: "p",
    secret,
    newGeneration: () => `g${++made} of ${server.ears.size}`,
  });
  const heard: Scope[] = [];
  level.onRaise((scope) => heard.push(scope));
  return { env, level, heard };
}

const place = (name: string, tenant?: string): Place => ({
  key: Buffer.from(name),
  scopes: [{ model: "m" }, ...(tenant === undefined ? [] : [{ model: "m", tenant }])],
});

function answer(madeAt: number): StoredAnswer {
  const reply: InferResponse = {
    kind: "whole",
    model: { name: "m", version: "1" },
    outputs: [],
    parameters: new Map(),
  };
  return { answer: reply, head: "h", proof: new Uint8Array(64), madeAt, freshMs: 1_000, keepMs: 2_000 };
}

/** What is written after its bytes are ready. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("the second level of the cache", () => {
  it("asks once for value and generations, and a second time only where a generation has no name yet", async () => {
    const server = fakeServer();
    const { level } = aReplica(server);
    const first = await level.get(place("a", "t"));
    expect(first?.generations).toEqual(["g1 of 1", "g2 of 1"]);
    expect(server.asked.map((commands) => commands.map(([name]) => name))).toEqual([["MGET"], ["SET", "SET", "MGET"]]);
    server.asked.length = 0;
    expect((await level.get(place("b", "t")))?.generations).toEqual(first?.generations);
    expect(server.asked.map((commands) => commands.map(([name]) => name))).toEqual([["MGET"]]);
  });

  it("gives no hit where the generations cannot be read", async () => {
    const server = fakeServer();
    const { level, env } = aReplica(server);
    const look = await level.get(place("a"));
    level.set(place("a"), look?.generations ?? [], answer(env.clock.wall()));
    await settle();
    expect((await level.get(place("a")))?.stored).toBeDefined();
    server.state.up = false;
    expect(await level.get(place("a"))).toBeUndefined();
    expect(await level.raise({ model: "m" })).toBe(false);
  });

  it("never finds again what was kept under a generation that the server has forgotten", async () => {
    const server = fakeServer();
    const { level, env } = aReplica(server);
    const look = await level.get(place("a"));
    level.set(place("a"), look?.generations ?? [], answer(env.clock.wall()));
    await settle();
    for (const key of server.values.keys()) if (key.startsWith("p:g:")) server.values.delete(key);
    const again = await level.get(place("a"));
    expect(again?.stored).toBeUndefined();
    expect(again?.generations).not.toEqual(look?.generations);
  });

  it("writes nothing whose time is over, nor to a store that is away", async () => {
    const server = fakeServer();
    const { level, env } = aReplica(server);
    const look = await level.get(place("a"));
    server.asked.length = 0;
    level.set(place("a"), look?.generations ?? [], answer(env.clock.wall() - 2_000));
    server.state.up = false;
    level.set(place("a"), look?.generations ?? [], answer(env.clock.wall()));
    await settle();
    expect(server.asked).toEqual([]);
  });

  it("has no more than 64 answers on their way at once", async () => {
    const server = fakeServer();
    const { level, env } = aReplica(server);
    const look = await level.get(place("a"));
    server.asked.length = 0;
    for (let n = 0; n < 100; n += 1) level.set(place(`${n}`), look?.generations ?? [], answer(env.clock.wall()));
    await settle();
    expect(server.asked).toHaveLength(64);
    level.set(place("later"), look?.generations ?? [], answer(env.clock.wall()));
    await settle();
    expect(server.asked).toHaveLength(65);
  });

  it("reads the generations and many answers in one round trip, in commands that each name a bounded number", async () => {
    const server = fakeServer();
    const { level } = aReplica(server);
    await level.get(place("a", "t"));
    server.asked.length = 0;
    const keys = Array.from({ length: 1_000 }, (_, n) => Buffer.from(`${n}`));
    const looks = await level.getAll({ ...place("a", "t"), keys });
    expect(looks?.generations).toEqual(["g1 of 1", "g2 of 1"]);
    expect(looks?.stored).toEqual(new Array(1_000).fill(undefined));
    expect(server.asked).toHaveLength(1);
    expect(server.asked[0]?.map(([name]) => name)).toEqual(new Array(8).fill("MGET"));
    expect(server.asked[0]?.map((command) => command.length - 1)).toEqual([130, ...new Array(6).fill(128), 104]);
  });

  it("gives each of many answers to its own key, and nothing for those that are not there, another's or spoiled", async () => {
    const server = fakeServer();
    const { level, env } = aReplica(server);
    const keys = Array.from({ length: 300 }, (_, n) => Buffer.from(`${n}`));
    const { scopes } = place("a");
    const { generations = [] } = (await level.getAll({ keys: [], scopes })) ?? {};
    server.asked.length = 0;
    const some = keys.filter((_, n) => n % 3 !== 0);
    const all = some.map((key) => ({ ...answer(env.clock.wall()), head: `head of ${key}` }));
    level.setAll({ keys: some, scopes }, generations, all);
    for (let n = 0; n < 100; n += 1) await settle();
    // in batches, each of which keeps the generation for as long as its answers
    expect(server.asked).toHaveLength(13);
    for (const commands of server.asked) expect(commands.at(-1)?.[0]).toBe("PEXPIRE");
    expect(Math.max(...server.asked.map((commands) => commands.length))).toBe(17);
    const keyOf = (n: number) => `p:a:${Buffer.from(`${n}`).toString("base64url")}`;
    server.values.set(keyOf(1), server.values.get(keyOf(2)) ?? new Uint8Array());
    server.values.set(keyOf(4), (server.values.get(keyOf(4)) ?? new Uint8Array()).subarray(1));
    const looks = await level.getAll({ keys, scopes });
    const heads = looks?.stored.map((stored) => stored?.head);
    expect(heads).toEqual(keys.map((key, n) => (n % 3 === 0 || n === 1 || n === 4 ? undefined : `head of ${key}`)));
    expect(env.events.filter(({ type }) => type === "store-spoiled")).toHaveLength(2);
    await level.raise({ model: "m" });
    expect((await level.getAll({ keys, scopes }))?.stored).toEqual(new Array(300).fill(undefined));
  });

  it("writes no more of many answers once the store is away, and takes one place among the 64 for them", async () => {
    const server = fakeServer();
    const { level, env } = aReplica(server);
    const { scopes } = place("a");
    const keys = Array.from({ length: 64 }, (_, n) => Buffer.from(`${n}`));
    const { generations = [] } = (await level.getAll({ keys: [], scopes })) ?? {};
    const all = keys.map(() => answer(env.clock.wall()));
    for (let n = 0; n < 70; n += 1) level.setAll({ keys, scopes }, generations, all);
    server.state.up = false;
    server.asked.length = 0;
    for (let n = 0; n < 100; n += 1) await settle();
    // the first batch of each was on its way
    expect(server.asked).toHaveLength(64);
  });

  it("tells every replica of a purge, the one that makes it too", async () => {
    const server = fakeServer();
    const [a, b] = [aReplica(server), aReplica(server)];
    await a.level.get(place("a", "t"));
    expect(await b.level.raise({ model: "m", tenant: "t" })).toBe(true);
    expect([a.heard, b.heard]).toEqual([[{ model: "m", tenant: "t" }], [{ model: "m", tenant: "t" }]]);
  });

  it("hears of a purge whose message was lost by the next look-up under it", async () => {
    const server = fakeServer();
    const [a, b] = [aReplica(server), aReplica(server)];
    await a.level.get(place("a"));
    const [ear] = server.ears;
    if (ear !== undefined) server.ears.delete(ear);
    await b.level.raise({ model: "m" });
    expect(a.heard).toEqual([]);
    await a.level.get(place("another"));
    expect(a.heard).toEqual([{ model: "m" }]);
    await a.level.get(place("another"));
    expect(a.heard).toHaveLength(1);
  });

  it("looks at all scopes when it listens again, and once more a second later where nobody answered", async () => {
    const server = fakeServer();
    const [a, b] = [aReplica(server), aReplica(server)];
    await a.level.get(place("a", "t"));
    await a.level.get(place("a", "other"));
    const [ear] = server.ears;
    if (ear === undefined) throw new Error("expected an ear");
    server.ears.delete(ear);
    await b.level.raise({ model: "m", tenant: "t" });
    server.state.up = false;
    ear.listening();
    await settle();
    expect(a.heard).toEqual([]);
    server.state.up = true;
    a.env.clock.advance(1_000);
    await settle();
    expect(a.heard).toEqual([{ model: "m", tenant: "t" }]);
    a.level.close();
    expect(a.env.clock.pending).toBe(0);
  });

  it("takes a scope for raised when it listens again, of which it had no generation while something was kept under it", async () => {
    const server = fakeServer();
    const { level, heard } = aReplica(server);
    const [ear] = server.ears;
    if (ear === undefined) throw new Error("expected an ear");
    await level.get(place("a", "seen"));
    // the store cannot be reached, or the model's answers are not shared
    server.state.up = false;
    await level.get(place("a", "unseen"));
    await level.get(place("a", "seen"));
    level.unwatched([{ model: "local" }, { model: "m" }, { model: "local" }]);
    expect(heard).toEqual([]);
    server.state.up = true;
    ear.listening();
    await settle();
    // those that were seen have the generation that they had
    expect(heard).toEqual([{ model: "m", tenant: "unseen" }, { model: "local" }]);
    ear.listening();
    await settle();
    expect(heard).toHaveLength(2);
    for (let n = 0; n <= 10_000; n += 1) level.unwatched([{ model: `${n}` }]);
    expect(heard.slice(2)).toEqual([{ model: "0" }]);
  });

  it("lets go of what is in memory under a scope that it can no longer watch", async () => {
    const server = fakeServer();
    const { level, heard } = aReplica(server);
    for (let n = 0; n < 10_000; n += 1) await level.get(place("a", `${n}`));
    // the model's own scope is looked at each time and stays
    expect(heard).toEqual([{ model: "m", tenant: "0" }]);
  });

  it("takes other messages on its channel for none", () => {
    const server = fakeServer();
    const { heard } = aReplica(server);
    for (const message of ["", "{}", "[]", "[1]", "null", "[", '["m",1]']) {
      for (const ear of server.ears) ear.heard(message);
    }
    expect(heard).toEqual([{ model: "m" }]);
  });
});
