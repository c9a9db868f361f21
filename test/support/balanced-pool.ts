// A balancer under a fake clock, over endpoints that a test makes ill, slow and new.

import type { Call } from "../../core/call.ts";
import { balance } from "../../policies/balance.ts";
import { type FakeEnv, fakeEnv } from "./fake-env.ts";
import { aCall, type FakeEndpoint, type FakeEndpointInit, fakeEndpoint } from "./fake-pool.ts";
import { requestFor } from "./scripted.ts";

export interface Pool {
  readonly env: FakeEnv;
  readonly endpoints: FakeEndpoint[];
  readonly ask: (init?: Parameters<typeof aCall>[1]) => Promise<unknown>;
  readonly askWith: (call: Call) => Promise<unknown>;
  /** A second try that should avoid endpoints, answered at once. */
  readonly retry: (avoid: readonly string[]) => Promise<unknown>;
  /** Adds an endpoint while the others work. */
  add(init: FakeEndpointInit): FakeEndpoint;
  given(): number[];
}

/** `options` as the config has them; what holds where nothing is said when undefined. */
export function pool(options: unknown, inits: readonly FakeEndpointInit[], zone?: string): Pool {
  const env = fakeEnv(7);
  const endpoints = inits.map((init) => fakeEndpoint(init, env));
  let list = endpoints.map((one) => one.candidate);
  const read = options === undefined ? balance.fallback : balance.options.parse(options);
  const service = balance.build(read, { model: "m", env, ...(zone === undefined ? {} : { zone }) })({
    list: () => list,
  });
  const askWith = async (call: Call) => {
    const answer = service(requestFor("m"), call);
    env.clock.advance(0);
    return answer;
  };
  return {
    env,
    endpoints,
    ask: (init) => service(requestFor("m"), aCall(env, init)),
    askWith,
    retry: (avoid) => askWith({ ...aCall(env), attempt: { n: 2, avoid } }),
    add(init) {
      const added = fakeEndpoint(init, env);
      endpoints.push(added);
      list = endpoints.map((one) => one.candidate);
      return added;
    },
    given: () => endpoints.map((one) => one.given),
  };
}

export const named = (...ids: readonly string[]) => ids.map((id) => ({ id }));

/** Asks one after the other, each answered before the next. */
export async function askAll({ ask, env }: Pool, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const answer = ask();
    env.clock.advance(0);
    await answer;
  }
}
