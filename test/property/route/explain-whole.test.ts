import { expect, test } from "vitest";
import type { Explanation } from "../../../core/protocol.ts";
import type { Decision } from "../../../core/trace.ts";
import { type Asking, type ExplainedPlane, type Happened, openExplained } from "../../support/explained.ts";
import { seededRandom } from "../../support/fake-env.ts";

type Random = () => number;
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;

/** The words of a model: some of all policies that a request meets, over one version or several. */
function words(random: Random): Record<string, unknown> {
  const some = (share: number, of: Record<string, unknown>) => (random() < share ? of : {});
  return {
    ...some(0.7, {
      route: pick(random, [
        { fallback: ["1", "2"] },
        {
          weighted: [
            { to: "1", weight: 2 },
            { to: "2", weight: 1 },
          ],
        },
        { canary: { stable: "1", candidate: "2", percent: 40, unit: { header: "x-user" } } },
        { rules: [{ when: { rows: { min: 3 } }, to: "2" }, { to: { fallback: ["1", "2"] } }] },
      ]),
    }),
    ...some(0.6, {
      balance: pick(random, [
        "round-robin",
        "weighted",
        "least-outstanding",
        "p2c",
        { by: "hash", key: { header: "x-user" } },
      ]),
    }),
    ...some(0.4, { cache: pick(random, [{ ttl: "1m" }, { ttl: "1m", by: "tenant" }, { ttl: "1m", rows: true }]) }),
    ...some(0.4, { batch: pick(random, [true, { maxRows: 2 }]) }),
    ...some(0.3, { hedge: { after: "20ms" } }),
    ...some(0.3, { retry: pick(random, [false, { attempts: 3 }]) }),
    ...some(0.4, {
      limit: pick(random, [{ rate: "25/d", by: "peer" }, { concurrency: 2, queue: 1 }, { concurrency: 3 }]),
    }),
    ...some(0.4, { breaker: { consecutive: 2, openFor: "1s" } }),
    ...some(0.2, { timeout: "200ms" }),
  };
}

function asking(random: Random): Asking {
  return {
    rows: Array.from({ length: 1 + Math.floor(random() * 4) }, () => Math.floor(random() * 6)),
    headers: {
      "x-user": `u${Math.floor(random() * 20)}`,
      ...(random() < 0.1 ? { "cache-control": pick(random, ["no-store", "no-cache", "only-if-cached"]) } : {}),
    },
    ...(random() < 0.5 ? { tenant: "acme" } : {}),
    ...(random() < 0.1 ? { timeoutMs: pick(random, [2, 30]) } : {}),
    ...(random() < 0.1 ? { version: "2" } : {}),
  };
}

/** Decisions that only the tensors, the queue or the answer can bring about. */
function isLater({ policy, said }: Decision): boolean {
  if (policy === "cache") return !said.startsWith("bypass");
  if (policy === "batch") return !said.startsWith("passed");
  return (
    policy === "retry" ||
    policy === "hedge" ||
    policy === "breaker" ||
    (policy === "limit" && !said.startsWith("refused"))
  );
}

const text = ({ policy, said }: Decision) => `${policy} ${said}`;
// the time of the rates is not the test's
const timeless = (message: string | undefined) => message?.replace(/fits in .*/, "");
const still = (told: Explanation) => ({ ...told, refused: timeless(told.refused?.message) });
const saidOf = ({ applies }: Explanation, policy: string) => applies.find((one) => one.policy === policy)?.said ?? "";

/** What applies to the request, as its trace must bear out. */
function wronglyApplied(told: Explanation, { decisions, error }: Happened): readonly string[] {
  const has = (policy: string, part: string) =>
    decisions.some((one) => one.policy === policy && one.said.includes(part));
  const tries = decisions.filter(({ policy, said }) => policy === "retry" && said.includes(": try ")).length;
  const most = Number(/^(\d+) tries/.exec(saidOf(told, "retry"))?.[1] ?? 1);
  // each part of one that is split, and each branch of a fallback, has tries of its own
  const isOne = !saidOf(told, "batch").includes(" parts") && !decisions.some(({ policy }) => policy === "fallback");
  const limit = saidOf(told, "limit");
  return [
    ...(saidOf(told, "cache").includes("a matter") && has("cache", "bypass") ? ["cache: bypassed"] : []),
    ...(saidOf(told, "batch").startsWith("up to") && has("batch", "passed") ? ["batch: passed"] : []),
    ...(saidOf(told, "hedge").includes("no other") && has("hedge", "second copy") ? ["hedge: sent"] : []),
    ...(limit.includes("places taken") && !limit.includes("would wait") && has("limit", "waited")
      ? ["limit: waited"]
      : []),
    ...(limit.includes("fits now") && error?.includes(" allows ") === true ? ["limit: refused"] : []),
    ...(tries >= most && isOne ? [`retry: ${tries + 1} tries of ${most}`] : []),
  ];
}

/** What an explanation said that did not happen, none where all of it did. */
function wrong(
  told: Explanation,
  happened: Happened,
): { readonly faults: readonly string[]; readonly isKnown: boolean } {
  const [refused, error] = [timeless(told.refused?.message), timeless(happened.error)];
  const cached = happened.decisions.find(({ policy }) => policy === "cache")?.said ?? "";
  const wasKept = /^(hit|stale|coalesced)/.test(cached);
  const hedged = happened.decisions.some(({ policy }) => policy === "hedge");
  const waits = saidOf(told, "limit").includes("would wait") || saidOf(told, "batch").includes("is free first");
  const only = saidOf(told, "cache").includes("only-if-cached");
  // who waits no longer hears nothing of its batch, its copies, or the equal question that it had joined
  const left = error?.startsWith("no answer within the deadline") === true;
  const isKnown = told.decisions.length > 0 && !wasKept && !hedged && !waits && !left;
  const really = happened.decisions.filter((one) => !isLater(one)).map(text);
  const expected = told.decisions.map(text);
  const same = isKnown ? really.slice(0, expected.length) : really;
  const foretold = isKnown ? expected : expected.slice(0, really.length);
  const faults: string[] = [...wronglyApplied(told, happened)];
  const isStraight =
    isKnown &&
    error === undefined &&
    !happened.decisions.some(({ policy, said }) => policy === "retry" || said.includes("failed"));
  if (isStraight && told.endpoint !== undefined && told.endpoint !== happened.endpoint) {
    faults.push(`${told.endpoint}, got ${happened.endpoint}`);
  }
  if (refused !== undefined && refused !== error && !wasKept && !left) faults.push(`refused: ${refused}, got ${error}`);
  // a rate refuses above the route, which is explained all the same
  if (refused === undefined || !refused.includes(" allows ")) {
    for (const [i, one] of foretold.entries()) {
      const chance = /^balance one( of [^(]*\(\w+: )/.exec(one);
      const matches = chance === null ? same[i] === one : same[i]?.includes(chance[1] ?? "") === true;
      // whoever waits, and a second copy, may be asked elsewhere
      const isOpen = (waits || hedged) && one.startsWith("balance");
      if (!matches && !isOpen) faults.push(`${one}, got ${same[i]}`);
    }
  }
  if (only && wasKept === (error !== undefined)) faults.push(`only-if-cached, got ${error}`);
  return { faults, isKnown };
}

async function finish(plane: ExplainedPlane, done: Promise<Happened>): Promise<Happened> {
  let happened: Happened | undefined;
  void done.then((one) => {
    happened = one;
  });
  for (let i = 0; i < 2_000; i += 1) {
    await plane.settle();
    if (happened !== undefined) return happened;
    plane.env.clock.advance(1);
  }
  throw new Error("never answered");
}

function trace(plane: ExplainedPlane): unknown {
  return {
    asked: plane.fakes.map(({ asked }) => asked.length),
    events: plane.env.events.length,
    timers: plane.env.clock.pending,
    lines: plane.env.lines.length,
  };
}

interface Counted {
  faults: string[];
  asked: number;
  /** Those whose whole way could be told beforehand. */
  known: number;
  said: Map<string, number>;
}

/** @param stale explanations are compared with the request after the next one: a check that sees nothing then sees nothing ever */
async function run(seed: number, counted: Counted, stale = false): Promise<void> {
  const random = seededRandom(seed);
  const model = words(random);
  let faulty = 0;
  const places = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, i) => ({
    id: `b/e${i}`,
    slots: 2,
    serviceMs: () => 3 + 4 * i,
    wrong: () => (i < faulty && random() < 0.7 ? ("error" as const) : undefined),
  }));
  const plane = openExplained(model, places, seed);
  const running: Promise<Happened>[] = [];
  for (let n = 0; n < 25; n += 1) {
    faulty = random() < 0.2 ? Math.floor(random() * 3) : faulty;
    for (const fake of plane.fakes) if (random() < 0.05) fake.healthy = !fake.healthy;
    // others are under way
    while (random() < 0.4) running.push(plane.ask(asking(random)).done);
    await plane.settle();
    plane.env.clock.advance(Math.floor(random() * 10));
    await plane.settle();
    const one = asking(random);
    const before = trace(plane);
    const told = await plane.explain(one);
    expect(still(await plane.explain(one))).toEqual(still(told));
    expect(trace(plane)).toEqual(before);
    if (stale) await finish(plane, plane.ask(one).done);
    const happened = await finish(plane, plane.ask(one).done);
    counted.asked += 1;
    for (const line of [...told.decisions, ...told.applies])
      counted.said.set(line.policy, (counted.said.get(line.policy) ?? 0) + 1);
    if (told.refused !== undefined) counted.said.set("refused", (counted.said.get("refused") ?? 0) + 1);
    const { faults, isKnown } = wrong(told, happened);
    if (isKnown) counted.known += 1;
    for (const fault of faults) counted.faults.push(`seed ${seed} n ${n} ${JSON.stringify(model)}: ${fault}`);
  }
  await Promise.all(running.map((one) => finish(plane, one)));
  plane.plane.close();
}

test("what is told of 5,000 requests through 200 sets of policies then happens, and telling it moves nothing", async () => {
  const counted: Counted = { faults: [], asked: 0, known: 0, said: new Map() };
  for (let seed = 1; seed <= 200; seed += 1) await run(seed, counted);
  expect(counted.faults).toEqual([]);
  expect(counted.asked).toBe(5_000);
  expect(counted.known).toBeGreaterThan(2_500);
  const least = {
    balance: 500,
    cache: 500,
    batch: 500,
    retry: 500,
    limit: 300,
    hedge: 100,
    breaker: 500,
    deadline: 500,
    timeout: 1_000,
  };
  for (const [policy, count] of Object.entries({ ...least, refused: 50 })) {
    expect(counted.said.get(policy) ?? 0, policy).toBeGreaterThan(count);
  }
}, 120_000);

test("an explanation of another moment is caught", async () => {
  const counted: Counted = { faults: [], asked: 0, known: 0, said: new Map() };
  for (let seed = 1; seed <= 10; seed += 1) await run(seed, counted, true);
  expect(counted.faults.length).toBeGreaterThan(10);
});
