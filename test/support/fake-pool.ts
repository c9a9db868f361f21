// Endpoints for balancers under a fake clock: each answers after as long as the test says, one or several at a time.

import type { Endpoint } from "../../core/backend.ts";
import { openCall } from "../../core/call.ts";
import type { Candidate } from "../../core/policy.ts";
import type { InferResponse } from "../../core/request.ts";
import type { FakeEnv } from "./fake-env.ts";
import { wholeReply } from "./scripted.ts";

export interface FakeEndpointInit {
  readonly id: string;
  readonly weight?: number;
  readonly zone?: string;
  readonly tier?: number;
  /** How long one answer takes now. */
  readonly serviceMs?: () => number;
  /** How many it works on at once; the others wait in its own queue. */
  readonly slots?: number;
}

export interface FakeEndpoint {
  readonly candidate: Candidate;
  /** How many requests it was given. */
  given: number;
  healthy: boolean;
  hasModel: boolean;
  /** Thrown instead of an answer. */
  fault: unknown;
}

export function fakeEndpoint(init: FakeEndpointInit, env: FakeEnv): FakeEndpoint {
  const { id, weight = 1, zone, tier = 0, serviceMs = () => 0, slots = 1 } = init;
  let busy = 0;
  const free: number[] = Array.from({ length: slots }, () => 0);
  const run = (): Promise<InferResponse> => {
    self.given += 1;
    busy += 1;
    // the slot that is free first takes it
    const slot = free.indexOf(Math.min(...free));
    const doneAt = Math.max(env.clock.now(), free[slot] ?? 0) + serviceMs();
    free[slot] = doneAt;
    return new Promise((resolve, reject) => {
      env.clock.after(doneAt - env.clock.now(), () => {
        busy -= 1;
        if (self.fault === undefined) resolve(wholeReply("m", "1"));
        else reject(self.fault);
      });
    });
  };
  const endpoint: Endpoint = {
    id,
    zone,
    weight,
    tier,
    tags: [],
    infer: run,
    slots: {
      free: slots,
      get busy() {
        return busy;
      },
      take: async () => ({ release: () => {} }),
      onFree: () => () => {},
    },
    available: () => self.healthy,
    serves: () => self.hasModel,
    ready: async () => self.hasModel,
    close: async () => {},
  };
  const self: FakeEndpoint = {
    given: 0,
    healthy: true,
    hasModel: true,
    fault: undefined,
    candidate: { endpoint, available: () => self.healthy, serves: () => self.hasModel, service: run },
  };
  return self;
}

/** A call that nobody ends; `init` says what a balancer may look at. */
export function aCall(env: FakeEnv, init: Partial<Parameters<typeof openCall>[0]> = {}) {
  return openCall({ id: "t", traceparent: "", clock: env.clock, protocol: "test", ...init });
}
