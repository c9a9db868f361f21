import { describe, expect, it } from "vitest";
import type { Backend, Endpoint } from "../../../core/backend.ts";
import { openGuards, type Wanted } from "../../../gateway/guards.ts";
import { balance } from "../../../policies/balance.ts";
import { breaker } from "../../../policies/breaker.ts";
import { broken } from "../../support/breakers.ts";
import { fakeEnv } from "../../support/fake-env.ts";
import { aCall, fakeEndpoint } from "../../support/fake-pool.ts";
import { KINDS } from "../../support/guarded-pool.ts";
import { requestFor } from "../../support/scripted.ts";

const on = (words: object = {}) => new Map<string, unknown>([["breaker", breaker.options.parse(words)]]);
const NOTHING = new Map<string, unknown>();

function setup(count = 2) {
  const env = fakeEnv();
  const table = openGuards({ kinds: KINDS, env });
  const endpoints = Array.from({ length: count }, (_, i) => fakeEndpoint({ id: `gpu/${i}` }, env).candidate.endpoint);
  const listeners = new Set<() => void>();
  let list: readonly Endpoint[] = endpoints;
  const pool = {
    list: () => list,
    onChange(listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const backend = { name: "gpu", endpoints: pool } as unknown as Backend;
  const hold = (init: Partial<Wanted> = {}) => table.hold({ backend, shared: on(), model: "m", own: NOTHING, ...init });
  const fail = async (held: ReturnType<typeof hold>, endpoint: Endpoint, times = 5) => {
    const service = held.of(endpoint)?.layer(async () => {
      throw broken();
    });
    for (let i = 0; i < times; i += 1) await service?.(requestFor("m"), aCall(env)).catch(() => {});
  };
  const move = (next: readonly Endpoint[]) => {
    list = next;
    for (const listener of listeners) listener();
  };
  const states = () => table.list().map(({ endpoint, state, model }) => `${endpoint} ${state}${model ?? ""}`);
  return { env, table, endpoints, hold, fail, move, states, listeners };
}

describe("guards", () => {
  it("are one for all models with the words of their backend", async () => {
    const { endpoints, hold, fail, states } = setup();
    const [one, other] = [hold({ model: "m" }), hold({ model: "n" })];
    await fail(one, endpoints[0]!, 3);
    await fail(other, endpoints[0]!, 2);
    expect(states()).toEqual(["gpu/0 open", "gpu/1 closed"]);
    expect([one, other].map((held) => held.of(endpoints[0]!)?.available())).toEqual([false, false]);
  });

  it("are a model's own where it has words of its own, and none where it says false", async () => {
    const { endpoints, hold, fail, states } = setup();
    const shared = hold();
    const own = hold({ model: "n", own: on({ consecutive: 1 }) });
    const without = hold({ model: "o", own: new Map([["breaker", false]]) });
    await fail(own, endpoints[0]!, 1);
    expect(states()).toEqual(["gpu/0 closed", "gpu/1 closed", "gpu/0 openn", "gpu/1 closedn"]);
    expect(shared.of(endpoints[0]!)?.available()).toBe(true);
    expect(without.of(endpoints[0]!)).toBeUndefined();
  });

  it("are not there where no word asks for them", () => {
    const { endpoints, hold, table } = setup();
    const held = hold({ shared: NOTHING });
    expect([held.of(endpoints[0]!), held.tell(endpoints[0]!), table.list()]).toEqual([undefined, [], []]);
  });

  it("live as long as any model holds them: a model that is opened anew goes on with what was counted", async () => {
    const { endpoints, hold, fail, states, env, listeners } = setup();
    const before = hold();
    await fail(before, endpoints[0]!);
    const after = hold();
    before.release();
    expect(states()).toEqual(["gpu/0 open", "gpu/1 closed"]);
    after.release();
    expect([states(), env.clock.pending, listeners.size]).toEqual([[], 0, 0]);
    expect(env.events.slice(-2)).toMatchObject([{ state: "gone" }, { state: "gone" }]);
  });

  it("begin anew with other words, and the series of the old ones are not taken from the new", async () => {
    const { endpoints, hold, fail, states, env } = setup();
    const before = hold();
    await fail(before, endpoints[0]!);
    hold({ shared: on({ consecutive: 9 }) });
    before.release();
    expect(states()).toEqual(["gpu/0 closed", "gpu/1 closed"]);
    expect(env.events.filter((event) => "state" in event && event.state === "gone")).toEqual([]);
    expect(env.clock.pending).toBe(0);
  });

  it("go with their endpoint, and one that comes has its own", async () => {
    const { endpoints, hold, fail, move, states, env } = setup(3);
    const held = hold();
    await fail(held, endpoints[0]!);
    move(endpoints.slice(1));
    expect(states()).toEqual(["gpu/1 closed", "gpu/2 closed"]);
    expect(env.clock.pending).toBe(0);
    // half of two
    await fail(held, endpoints[1]!);
    await fail(held, endpoints[2]!);
    expect(states()).toEqual(["gpu/1 open", "gpu/2 closed"]);
    move(endpoints);
    expect(states()).toEqual(["gpu/0 closed", "gpu/1 open", "gpu/2 closed"]);
  });

  it.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 2],
    [5, 2],
    [6, 3],
  ])("of a pool of %i let %i be out", async (count, most) => {
    const { endpoints, hold, fail, states } = setup(count);
    const held = hold();
    for (const endpoint of endpoints) await fail(held, endpoint, 10);
    expect(states().filter((state) => state.endsWith("open"))).toHaveLength(most);
  });

  it("let no more be out where a pool shrinks to those that are, which are asked all the same in panic", async () => {
    const { endpoints, hold, fail, move, states, env } = setup(4);
    const held = hold();
    for (const endpoint of endpoints.slice(0, 2)) await fail(held, endpoint);
    move(endpoints.slice(0, 3));
    await fail(held, endpoints[2]!, 50);
    expect(states()).toEqual(["gpu/0 open", "gpu/1 open", "gpu/2 closed"]);
    move(endpoints.slice(0, 2));
    const [first, second] = endpoints.slice(0, 2).map((endpoint) => held.of(endpoint)!);
    const candidates = [first!, second!].map((before, i) => ({
      ...{ endpoint: endpoints[i]!, serves: () => true, available: before.available, due: before.due },
      service: before.layer(endpoints[i]!.infer),
      anyway: before.anyway(endpoints[i]!.infer),
    }));
    const service = balance.build(balance.fallback, { model: "m", env })({ list: () => candidates });
    const answer = service(requestFor("m"), aCall(env));
    env.clock.advance(0);
    expect((await answer).kind).toBe("whole");
  });

  it("do not count in the pool what an operator took away", async () => {
    const { endpoints, hold, fail, states, table } = setup(6);
    const held = hold();
    table.byHand("gpu/5", "open");
    // five are left, of which two may be out
    for (const endpoint of endpoints) await fail(held, endpoint, 10);
    expect(states().filter((state) => state.endsWith(" open"))).toEqual(["gpu/0 open", "gpu/1 open", "gpu/5 open"]);
  });

  it("refuse to be set by hand at an endpoint that has none", () => {
    const { hold, table } = setup();
    expect(() => table.byHand("gpu/0", "open")).toThrow('endpoint "gpu/0" has no breaker: no endpoint has one');
    hold();
    expect(() => table.byHand("gpu/7", "open")).toThrow(
      'endpoint "gpu/7" has no breaker: those with one are gpu/0, gpu/1',
    );
    expect(table.byHand("gpu/1", "close")).toMatchObject([{ endpoint: "gpu/1", state: "closed", forced: true }]);
  });
});
