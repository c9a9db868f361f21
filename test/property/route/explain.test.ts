import { expect, test } from "vitest";
import { seededRandom } from "../../support/fake-env.ts";
import { type AskInit, type FakeRoute, fakeRoute } from "../../support/routes.ts";

const LEAVES = ["stable", "next", "1", "2", "3"];
const UNITS = [{ header: "x-user-id" }, { cookie: "uid" }, { query: "user" }, { parameter: "user" }, "tenant", "peer"];

type Random = () => number;
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
const upTo = (random: Random, most: number): number => Math.floor(random() * (most + 1));

/** A random tree of every kind of router, at most `depth` deep. */
function tree(random: Random, depth: number): unknown {
  if (depth === 0 || random() < 0.15) return pick(random, LEAVES);
  const inner = () => tree(random, depth - 1);
  const unit = pick(random, UNITS);
  switch (upTo(random, 6)) {
    case 0:
      return {
        weighted: [
          { to: inner(), weight: 1 + upTo(random, 9) },
          { to: inner(), weight: upTo(random, 9) },
        ],
      };
    case 1: {
      const without = pick(random, ["stable", "weighted"]);
      return {
        canary: { stable: inner(), candidate: inner(), percent: upTo(random, 100), unit, without, force: "x-force" },
      };
    }
    case 2: {
      const b = upTo(random, 50);
      const variants = {
        control: { to: inner(), percent: 50 },
        b: { to: inner(), percent: b },
        c: { to: inner(), percent: 50 - b },
      };
      return { ab: { name: `e${upTo(random, 1e6)}`, unit, variants, without: pick(random, ["control", "weighted"]) } };
    }
    case 3: {
      const when = pick(random, [
        { tenant: "acme" },
        { header: { "x-beta": "1" } },
        { rows: { min: 1 } },
        { expression: 'tenant != ""' },
      ]);
      return { rules: [{ when, to: inner() }, { to: inner() }] };
    }
    case 4:
      return { fallback: [inner(), inner()] };
    case 5:
      return { shadow: { of: inner(), to: pick(random, LEAVES), share: "50%" } };
    default:
      return { affinity: { key: unit, over: [{ to: inner() }, { to: inner() }] } };
  }
}

function caller(random: Random): AskInit {
  const id = String(upTo(random, 1_000));
  const some = <T>(value: T): T | undefined => (random() < 0.7 ? value : undefined);
  const headers = new Map<string, string>();
  if (some(true)) headers.set("x-user-id", id);
  if (some(true)) headers.set("cookie", `uid=${id}`);
  if (random() < 0.2) headers.set("x-beta", "1");
  if (random() < 0.1) headers.set("x-force", pick(random, LEAVES));
  return {
    headers,
    query: new URLSearchParams(some(`user=${id}`) ?? ""),
    ...(some(true) ? { tenant: pick(random, ["acme", "other"]) } : {}),
    peer: `10.0.0.${upTo(random, 255)}`,
    request: { parameters: new Map(some([["user", id] as const]) === undefined ? [] : [["user", id]]) },
  };
}

const asDone = async (fake: FakeRoute, init: AskInit) => {
  const { version, said } = await fake.ask(init);
  return { version, said };
};

test("an explanation says of 20,000 requests through 200 random trees what then happens, and moves nothing", async () => {
  const random = seededRandom(11);
  let decisions = 0;
  for (let run = 0; run < 200; run += 1) {
    const fake = fakeRoute({ words: tree(random, 5), testers: run % 2 === 0 });
    for (let n = 0; n < 100; n += 1) {
      const init = caller(random);
      const before = { asked: fake.asked.length, exposures: fake.exposures.length, timers: fake.env.clock.pending };
      const explained = await asDone(fake, { ...init, purpose: "explain" });
      // asked twice, so that one that moves something is caught
      expect(await asDone(fake, { ...init, purpose: "explain" })).toEqual(explained);
      expect({ asked: fake.asked.length, exposures: fake.exposures.length, timers: fake.env.clock.pending }).toEqual(
        before,
      );
      expect(await asDone(fake, init)).toEqual(explained);
      decisions += explained.said.length;
    }
  }
  expect(decisions).toBeGreaterThan(20_000);
});
