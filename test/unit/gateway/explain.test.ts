// What is told of a request beforehand, beside the property test that compares it with what then happens.

import { expect, test } from "vitest";
import type { Explanation } from "../../../core/protocol.ts";
import { openExplained } from "../../support/explained.ts";

const places = (count: number) => Array.from({ length: count }, (_, i) => ({ id: `b/e${i}`, slots: 4 }));
const applied = ({ applies }: Explanation) => applies.map(({ policy, said }) => `${policy} ${said}`);
const decided = ({ decisions }: Explanation) => decisions.map(({ policy, said }) => `${policy} ${said}`);
const ONE = { rows: [1] };

test("all that applies to a request is told, and the endpoint that it would go to", async () => {
  const plane = openExplained(
    {
      route: { canary: { stable: "1", candidate: "2", percent: 0, unit: "tenant" } },
      balance: "least-outstanding",
      cache: { ttl: "10m", rows: true },
      batch: { maxRows: 8 },
      hedge: { after: "50ms" },
      retry: { attempts: 3, pause: "1s" },
      limit: [
        { rate: "5/m", by: "tenant" },
        { concurrency: 2, queue: 3 },
      ],
      breaker: true,
      timeout: "2s",
    },
    places(3),
  );
  const told = await plane.explain({ rows: [1, 2], tenant: "acme" });
  expect(decided(told)).toEqual([
    expect.stringMatching(/^canary 1 bucket \d+ >= 0 \(2 0%\)$/),
    "balance b/e0 of 3 (chosen for the batch: to be tried, 0 of 8 runs timed)",
  ]);
  expect(applied(told)).toEqual([
    "timeout 2s for all of it",
    "limit 5/m by tenant, one more fits now",
    "cache rows are looked up one by one, kept for 10m: hit or miss is a matter of the tensors",
    "limit 0 of 2 places taken",
    "batch up to 8 rows together, 0 waiting now",
    "hedge a second copy elsewhere after 50.0 ms",
    "retry 3 tries at most, after a pause of 1s at most",
    "breaker closed at all 3 endpoints",
  ]);
  expect(told).toMatchObject({ version: "1", endpoint: "b/e0", refused: undefined });
  expect(told.targets[0]?.endpoints[0]).toEqual({ id: "b/e0", available: true, serves: true, free: 4, busy: 0 });
});

test("a rate that is used up refuses, takes nothing for being asked, and the way behind it is told all the same", async () => {
  const plane = openExplained({ limit: { rate: "1/d" }, balance: "round-robin" }, places(2));
  for (let i = 0; i < 5; i += 1) expect((await plane.explain(ONE)).refused).toBeUndefined();
  const { done } = plane.ask(ONE);
  await plane.settle();
  plane.env.clock.advance(10);
  expect(await done).toMatchObject({ error: undefined });
  const told = await plane.explain(ONE);
  expect(told).toMatchObject({ version: "2", endpoint: undefined, refused: { code: "quota-exceeded" } });
  expect(told.refused?.message).toMatch(/^model "m" allows 1\/d; the next request fits in /);
  expect(decided(told)).toEqual(["limit refused: 1/d by model", "balance b/e1 of 2 (round-robin: its turn)"]);
});

test("places that are all taken refuse, or let it wait", async () => {
  const full = openExplained({ limit: { concurrency: 1, queue: 0 } }, places(1));
  const first = full.ask(ONE).done;
  await full.settle();
  expect((await full.explain(ONE)).refused).toEqual({
    code: "overloaded",
    message: 'model "m" has 1 calls, as many as it may',
  });
  expect(full.env.events.filter(({ type }) => type === "shed")).toEqual([]);
  full.env.clock.advance(10);
  await first;
  const queued = openExplained({ limit: { concurrency: 1, queue: 4 } }, places(1));
  const all = [queued.ask(ONE).done, queued.ask(ONE).done];
  await queued.settle();
  expect(applied(await queued.explain(ONE))).toContain(
    "limit 1 of 1 places taken, it would wait, 1 of at most 4 waiting",
  );
  for (let i = 0; i < 3; i += 1) {
    queued.env.clock.advance(10);
    await queued.settle();
  }
  await Promise.all(all);
});

test("a cache is told to be passed by in the words of the trace, or to give a kept answer or none", async () => {
  const plane = openExplained({ cache: { ttl: "1m", by: "tenant" } }, places(1));
  expect(decided(await plane.explain(ONE))).toEqual(["cache bypass: no tenant is named"]);
  const wanting = (wish: string) => plane.explain({ ...ONE, tenant: "acme", headers: { "cache-control": wish } });
  expect(decided(await wanting("no-store"))).toEqual(["cache bypass: no-store"]);
  expect(applied(await wanting("no-cache"))).toContain("cache no kept answer is given (no-cache), the new one is kept");
  expect(applied(await wanting("only-if-cached"))[1]).toMatch(/, and nobody is asked \(only-if-cached\)$/);
});

test("health that is not believed is told", async () => {
  const plane = openExplained({ balance: "round-robin" }, places(2));
  for (const fake of plane.fakes) fake.healthy = false;
  expect(decided(await plane.explain(ONE))).toEqual(["balance b/e0 of 2, health not believed (round-robin: its turn)"]);
});

test("of many endpoints that are out eight are named", async () => {
  const plane = openExplained(
    { breaker: { consecutive: 1, openFor: "1h", openMax: "1h" }, balance: "round-robin", retry: false },
    places(20).map((place) => ({ ...place, wrong: () => "error" as const })),
  );
  for (let i = 0; i < 30; i += 1) {
    const { done } = plane.ask(ONE);
    await plane.settle();
    plane.env.clock.advance(2);
    await done;
  }
  const breakers = (await plane.explain(ONE)).applies.filter(({ policy }) => policy === "breaker");
  expect(breakers).toHaveLength(9);
  expect(breakers[0]?.said).toMatch(/^b\/e0 is open for .+ more \(1 failures in a row\)$/);
  expect(breakers.at(-1)?.said).toBe("and 2 more");
});
