// Pools of seeded endpoints that fail, hang, slow down and heal, behind the real guards and balancers, under a fake clock.
import { describe, expect, it } from "vitest";
import type { Guard } from "../../../core/guard.ts";
import type { PolicyKind } from "../../../core/policy.ts";
import { breaker } from "../../../policies/breaker.ts";
import { KINDS, simulate } from "../../support/guarded-pool.ts";

const SEEDS = [1, 2, 3];

describe("a pool whose endpoints fail and heal", () => {
  it.each([1, 2, 3, 4, 5, 6, 9])(
    "of %i never has more than half out, asks one probe at a time, answers every call and recovers",
    async (endpoints) => {
      let limited = 0;
      for (const seed of SEEDS) {
        const { violations, answered, opened, held } = await simulate({ seed, endpoints });
        expect(violations).toEqual([]);
        // the trouble was real, and so was what worked
        expect([answered > 500, opened > 0]).toEqual([true, true]);
        limited += held;
      }
      // the breaker of a lone endpoint always has room
      expect(limited > 0).toBe(endpoints > 1);
    },
    60_000,
  );

  it.each(["least-time", "round-robin", "least-outstanding", "peak-ewma"])(
    "of 5 keeps to the same under %s",
    async (by) => {
      expect((await simulate({ seed: 11, endpoints: 5, by })).violations).toEqual([]);
    },
    60_000,
  );

  it("of 6 and more has seen ejections, and panic where health checks failed too", async () => {
    const runs = await Promise.all([1, 2, 3, 4].map((seed) => simulate({ seed, endpoints: 8 })));
    const sum = (read: (run: (typeof runs)[number]) => number) => runs.reduce((all, run) => all + read(run), 0);
    expect(runs.flatMap(({ violations }) => violations)).toEqual([]);
    expect([sum(({ ejected }) => ejected) > 0, sum(({ anyway }) => anyway) > 0]).toEqual([true, true]);
  }, 60_000);

  it.each([
    ["asks for no room", { room: () => true }, (guard: Guard) => guard, /^[2-4] of 4 are out$/],
    [
      "wants no probe",
      {},
      (guard: Guard): Guard => ({ ...guard, due: () => false }),
      /^the breaker of gpu\/[0-3] is half-open after 30 s$/,
    ],
  ])(
    "tells a breaker that %s",
    async (_what, context, change, violation) => {
      const wrong: typeof breaker = {
        ...breaker,
        build(options, right) {
          const open = breaker.build(options, { ...right, ...context });
          return open === undefined ? undefined : (endpoint) => change(open(endpoint));
        },
      };
      const kinds = KINDS.map((kind) => (kind === breaker ? (wrong as PolicyKind) : kind));
      const found: string[] = [];
      for (const seed of SEEDS) {
        found.push(...(await simulate({ seed, endpoints: 4, kinds, by: "least-outstanding" })).violations);
      }
      expect(found).toContainEqual(expect.stringMatching(violation));
    },
    60_000,
  );
});
