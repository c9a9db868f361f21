// Sequences: pinned from their start, in order, bounded, and lost with their endpoint.

import { beforeEach, describe, expect, test } from "vitest";
import { type Call, openCall } from "../../../core/call.ts";
import { InferError } from "../../../core/error.ts";
import type { Candidate } from "../../../core/policy.ts";
import type { InferRequest, Reply } from "../../../core/request.ts";
import type { Service } from "../../../core/service.ts";
import { besideLayers, openSequences } from "../../../gateway/sequences.ts";
import { type FakeEnv, fakeEnv } from "../../support/fake-env.ts";
import { requestFor, wholeReply } from "../../support/scripted.ts";

let env: FakeEnv;
let stateful: boolean;
/** What the route was asked: version and pinned endpoint. */
let asked: string[];
/** Where the next request goes that is not pinned. */
let chosen: { version: string; endpoint: string };
let answer: () => Promise<Reply>;
let infer: Service;
let sequences: ReturnType<typeof openSequences>;

beforeEach(() => {
  env = fakeEnv();
  stateful = true;
  asked = [];
  chosen = { version: "2", endpoint: "b/one" };
  answer = async () => wholeReply("m", "2");
  sequences = openSequences({ clock: env.clock, idleMs: 1000, most: 3 });
  infer = sequences.above({ name: "m", stateful: async () => stateful })(route);
});

function route({ model: { select } }: InferRequest, call: Call): Promise<Reply> {
  asked.push(`${select.by === "version" ? select.version : select.by} ${call.sequence?.endpoint ?? "any"}`);
  call.trace.learn(chosen);
  return answer();
}

function ask(id: bigint | string, flags: { start?: boolean; end?: boolean; tenant?: string; version?: string } = {}) {
  const { start = false, end = false, tenant, version } = flags;
  const request = requestFor("m");
  const call = openCall({
    id: "r",
    traceparent: "t",
    clock: env.clock,
    protocol: "test",
    sequence: { id, start, end },
    ...(tenant === undefined ? {} : { tenant }),
  });
  const named =
    version === undefined ? request : { ...request, model: { name: "m", select: { by: "version", version } as const } };
  return infer(named, call);
}

describe("a sequence", () => {
  test("goes on where it began, whatever the route would choose, until its end", async () => {
    await ask(7n, { start: true });
    chosen = { version: "3", endpoint: "b/two" };
    await ask(7n);
    await ask(7n, { version: "2" });
    await ask(7n, { end: true });
    expect(asked).toEqual(["default any", "2 b/one", "2 b/one", "2 b/one"]);
    expect(sequences.size).toBe(0);
    await expect(ask(7n)).rejects.toThrow("must specify the START flag");
  });

  test("begins anew with each start", async () => {
    await ask(7n, { start: true });
    chosen = { version: "3", endpoint: "b/two" };
    await ask(7n, { start: true });
    await ask(7n);
    expect(asked).toEqual(["default any", "default any", "3 b/two"]);
  });

  test("is its model's and its tenant's own, and a number is another id than its text", async () => {
    await ask(7n, { start: true });
    await expect(ask(7n, { tenant: "t" })).rejects.toThrow("START");
    await expect(ask("7")).rejects.toThrow("START");
  });

  test("needs no start where the model keeps no state", async () => {
    stateful = false;
    await ask(7n);
    await ask(7n);
    expect(asked).toEqual(["default any", "2 b/one"]);
  });

  test("of one request leaves nothing behind", async () => {
    await ask(7n, { start: true, end: true });
    expect(sequences.size).toBe(0);
  });

  test("stays with its version", async () => {
    await ask(7n, { start: true });
    await expect(ask(7n, { version: "3" })).rejects.toThrow("goes on with version 2, got version 3");
    await ask(7n);
    expect(asked).toEqual(["default any", "2 b/one"]);
  });
});

describe("its end without being asked", () => {
  test.each(["unavailable", "bad-backend", "not-found"] as const)(
    "an endpoint that is %s loses it, with a clear word",
    async (code) => {
      await ask(7n, { start: true });
      answer = () => Promise.reject(new InferError(code, "10.0.0.1 has gone"));
      const lost = await ask(7n).catch((error) => error);
      expect(lost).toMatchObject({ code: "unavailable", retryable: "no", origin: "backend" });
      expect(lost.message).toBe("sequence 7 to model 'm' is lost with its endpoint: begin it anew");
      expect(sequences.size).toBe(0);
    },
  );

  test("a mistake of the client's, or a full queue, does not end it", async () => {
    await ask(7n, { start: true });
    for (const code of ["invalid-argument", "overloaded"] as const) {
      answer = () => Promise.reject(new InferError(code, "no"));
      await expect(ask(7n)).rejects.toMatchObject({ code });
    }
    expect(sequences.size).toBe(1);
  });

  test("comes when nobody has asked for the idle time", async () => {
    await ask(7n, { start: true });
    env.clock.advance(999);
    await ask(7n);
    env.clock.advance(1000);
    await expect(ask(7n)).rejects.toThrow("START");
  });
});

test("so many go on at once and no more; one that is idle makes room", async () => {
  for (const id of [1n, 2n, 3n]) await ask(id, { start: true });
  await expect(ask(4n, { start: true })).rejects.toMatchObject({ code: "overloaded" });
  env.clock.advance(600);
  await ask(2n);
  await ask(3n);
  env.clock.advance(400);
  await ask(4n, { start: true });
  expect(sequences.size).toBe(3);
  await expect(ask(1n)).rejects.toThrow("START");
});

test("requests of one sequence run one after the other, those of two beside each other", async () => {
  await ask(1n, { start: true });
  await ask(2n, { start: true });
  asked = [];
  const waiting: (() => void)[] = [];
  answer = () => new Promise((resolve) => waiting.push(() => resolve(wholeReply("m", "2"))));
  const all = [ask(1n), ask(1n), ask(2n)];
  await Promise.resolve();
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(asked.length).toBe(2);
  while (asked.length < 3 || waiting.length > 0) {
    waiting.shift()?.();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await Promise.all(all);
  expect(asked.length).toBe(3);
});

describe("at the leaf", () => {
  const layered: string[] = [];
  const candidate = (id: string, available: boolean) =>
    ({ endpoint: { id }, available: () => available, serves: () => true, service: named(id) }) as unknown as Candidate;
  const named =
    (word: string): Service =>
    async () => {
      layered.push(word);
      return wholeReply("m", "1");
    };
  const candidates = { list: () => [candidate("b/one", true), candidate("b/two", false)] };
  const leaf = besideLayers(candidates, (one) => one ?? named("balanced"))(named("layers"));
  const call = (sequence?: Call["sequence"]) =>
    openCall({
      id: "r",
      traceparent: "t",
      clock: env.clock,
      protocol: "test",
      ...(sequence === undefined ? {} : { sequence }),
    });
  beforeEach(() => void layered.splice(0));

  test("a request of its own meets every layer, one of a sequence none of them", async () => {
    await leaf(requestFor("m"), call());
    await leaf(requestFor("m"), call({ id: 1n, start: true, end: false }));
    await leaf(requestFor("m"), call({ id: 1n, start: false, end: false, endpoint: "b/one" }));
    expect(layered).toEqual(["layers", "balanced", "b/one"]);
  });

  test.each(["b/two", "b/three"])(
    "a pinned endpoint that is tripped or gone, %s, is not replaced by another",
    async (endpoint) => {
      const pinned = call({ id: 1n, start: false, end: false, endpoint });
      await expect(leaf(requestFor("m"), pinned)).rejects.toMatchObject({ code: "unavailable" });
      expect(layered).toEqual([]);
    },
  );
});
