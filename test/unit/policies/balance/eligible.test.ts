import { expect, test } from "vitest";
import type { Slots } from "../../../../core/backend.ts";
import { eligibleSeats, type View } from "../../../../policies/balance/eligible.ts";
import { openSeats } from "../../../../policies/balance/seats.ts";
import { fakeEnv } from "../../../support/fake-env.ts";
import { type FakeEndpoint, fakeEndpoint } from "../../../support/fake-pool.ts";

const VIEW: View = { zone: undefined, spillBelow: 0.7, panicBelow: 0.5, random: () => 0.5 };

const slots = (free: number, exact = false): Slots => ({
  ...{ free, busy: 1, exact },
  take: async () => ({ release: () => {} }),
  onFree: () => () => {},
});

/** Endpoints a, b ... with so many slots free each, and whom a balancer may choose of them. */
function eligible(endpoints: readonly Slots[], change: (fakes: readonly FakeEndpoint[]) => void = () => {}) {
  const env = fakeEnv();
  const fakes = endpoints.map((_, i) => fakeEndpoint({ id: "abcd"[i] as string }, env));
  change(fakes);
  const candidates = fakes.map(({ candidate }, i) => ({
    ...candidate,
    endpoint: { ...candidate.endpoint, slots: endpoints[i] as Slots },
  }));
  const { seats, panic } = eligibleSeats(openSeats({ slowStartMs: 0, clock: env.clock }).of(candidates), [], VIEW);
  return { ids: seats.map(({ candidate }) => candidate.endpoint.id).join(""), panic };
}

test("an endpoint that has as many calls as it may is passed over while another has room", () => {
  expect(eligible([slots(0), slots(1), slots(3)])).toEqual({ ids: "bc", panic: false });
});

test("when all are full any may be chosen, and health is believed all the same", () => {
  expect(eligible([slots(0), slots(0)])).toEqual({ ids: "ab", panic: false });
});

test("a full endpoint is chosen before one that is not healthy", () => {
  const sick = (fakes: readonly FakeEndpoint[]) => {
    for (const one of fakes.slice(2)) one.healthy = false;
  };
  expect(eligible([slots(0), slots(0), slots(3)], sick)).toEqual({ ids: "ab", panic: false });
});

test("workers that queue by themselves are never full", () => {
  expect(eligible([slots(0, true), slots(1)])).toEqual({ ids: "ab", panic: false });
});
