// One slow endpoint of four under a fake clock, with the gateway's own balancers: the same in every run, on every machine.

import { type Pool, pool } from "../test/support/balanced-pool.ts";
import { randomFrom } from "./random.ts";
import { quantile } from "./stats.ts";

export interface SlowScene {
  readonly endpoints: number;
  readonly slots: number;
  readonly runMs: number;
  /** How many times longer the last endpoint takes in the middle one of the spans. */
  readonly slower: number;
  readonly perSecond: number;
  readonly spansMs: readonly [before: number, during: number, after: number];
}

export interface SlowFacts {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of those that came while it was slow. */
  readonly p99SlowMs: number;
}

/** How long everything has at the end, in runs. */
const LAST_RUNS = 100;
const SEED = 11;

/** @param by what follows `balance:`; `known` weighs what the endpoints have in hand by their true speeds */
export async function simulateSlow(scene: SlowScene, by: string): Promise<SlowFacts> {
  const [beforeMs, duringMs, afterMs] = scene.spansMs;
  let now = 0;
  const isSlow = () => now >= beforeMs && now < beforeMs + duringMs;
  const slowMs = () => (isSlow() ? scene.runMs * scene.slower : scene.runMs);
  const inits = Array.from({ length: scene.endpoints }, (_, i) => ({
    id: String(i),
    slots: scene.slots,
    serviceMs: i === scene.endpoints - 1 ? slowMs : () => scene.runMs,
  }));
  const all = pool(by === "known" ? "least-outstanding" : by, inits);
  if (by === "known") tellSpeed(all, () => (isSlow() ? 1 / scene.slower : 1));
  const random = randomFrom(SEED);
  const took: number[] = [];
  const slow: number[] = [];
  const answers: Promise<unknown>[] = [];
  const ask = () => {
    const at = all.env.clock.now();
    const cameSlow = isSlow();
    const answer = all.ask().then(() => {
      const ms = all.env.clock.now() - at;
      took.push(ms);
      if (cameSlow) slow.push(ms);
    });
    answers.push(answer);
  };
  while (now < beforeMs + duringMs + afterMs) {
    const gapMs = (-Math.log(1 - random()) * 1000) / scene.perSecond;
    await pass(all, gapMs);
    now += gapMs;
    ask();
  }
  for (let i = 0; i < LAST_RUNS; i += 1) await pass(all, scene.runMs);
  await Promise.all(answers);
  return { p50Ms: quantile(took, 0.5), p99Ms: quantile(took, 0.99), p99SlowMs: quantile(slow, 0.99) };
}

/** Lets what was answered meanwhile be heard. */
async function pass(all: Pool, ms: number): Promise<void> {
  all.env.clock.advance(ms);
  await new Promise((resolve) => setImmediate(resolve));
}

function tellSpeed(all: Pool, weight: () => number): void {
  const endpoint = all.endpoints.at(-1)?.candidate.endpoint;
  if (endpoint !== undefined) Object.defineProperty(endpoint, "weight", { get: weight });
}
