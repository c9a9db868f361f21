// A pool behind its real guards and a real balancer under a fake clock: endpoints fail, hang and heal as a seed says.

import type { Backend, Endpoint } from "../../core/backend.ts";
import { abortReason, type Call } from "../../core/call.ts";
import type { Candidate, PolicyKind } from "../../core/policy.ts";
import { openGuards } from "../../gateway/guards.ts";
import { balance } from "../../policies/balance.ts";
import { breaker } from "../../policies/breaker.ts";
import { ejection } from "../../policies/ejection.ts";
import { broken } from "./breakers.ts";
import { type FakeEnv, fakeEnv, seededRandom } from "./fake-env.ts";
import { aCall } from "./fake-pool.ts";
import { requestFor, wholeReply } from "./scripted.ts";

export const KINDS: readonly PolicyKind[] = [breaker as PolicyKind, ejection as PolicyKind];

const WORDS = new Map<string, unknown>([
  ["breaker", breaker.options.parse({ openFor: "1s", openMax: "8s" })],
  ["ejection", ejection.options.parse({ every: "2s", minimumCalls: 5, ejectFor: "3s", ejectMax: "9s" })],
]);

/** What an endpoint does with a call: answers, fails at once, holds it until its caller gives up, or answers late. */
type Mood = "well" | "failing" | "hanging" | "slow" | "flaky";
const MOODS: readonly Mood[] = ["well", "failing", "failing", "hanging", "slow", "flaky"];

interface Actor {
  mood: Mood;
  healthy: boolean;
  /** Calls here that the breaker let through while it was half-open. */
  probes: number;
}

export interface Simulated {
  /** What went wrong, none where all is as it should be. */
  readonly violations: readonly string[];
  readonly answered: number;
  readonly failed: number;
  readonly opened: number;
  /** Breakers that stayed closed because half of the pool was out. */
  readonly held: number;
  readonly ejected: number;
  /** Calls that were sent because no guard was believed. */
  readonly anyway: number;
}

export interface SimulateOptions {
  readonly seed: number;
  readonly endpoints: number;
  readonly kinds?: readonly PolicyKind[];
  readonly by?: string;
}

const TIMEOUT_MS = 300;
const STEPS = 1500;

/** Some minutes of seeded trouble, then time to heal. */
export async function simulate({
  seed,
  endpoints: count,
  kinds = KINDS,
  by = "p2c",
}: SimulateOptions): Promise<Simulated> {
  const env = fakeEnv(seed);
  const random = seededRandom(seed * 7919 + count);
  const violations: string[] = [];
  const actors: Actor[] = Array.from({ length: count }, () => ({ mood: "well", healthy: true, probes: 0 }));
  const endpoints = actors.map((actor, i) => endpointOf(i, actor, { env, random }));
  const pool = { list: () => endpoints, onChange: () => () => {} };
  const table = openGuards({ kinds, env });
  const held = table.hold({
    backend: { name: "gpu", endpoints: pool } as unknown as Backend,
    shared: WORDS,
    model: "m",
    own: new Map(),
  });
  const stateOf = (i: number) =>
    table.list().find(({ policy, endpoint }) => policy === "breaker" && endpoint === `gpu/${i}`)?.state;
  let anyway = 0;
  const candidates = endpoints.map((endpoint, i): Candidate => {
    const before = held.of(endpoint);
    const actor = actors[i]!;
    if (before === undefined) throw new Error("no guard");
    const seen = before.layer(async (request, call) => {
      const probe = stateOf(i) === "half-open";
      if (probe) actor.probes += 1;
      if (actor.probes > 1) violations.push(`${actor.probes} probes at gpu/${i}`);
      try {
        return await endpoint.infer(request, call);
      } finally {
        if (probe) actor.probes -= 1;
      }
    });
    return {
      endpoint,
      available: () => endpoint.available() && before.available(),
      due: before.due,
      serves: () => !before.barred(),
      service: seen,
      anyway: (request, call) => {
        anyway += 1;
        return before.anyway(endpoint.infer)(request, call);
      },
    };
  });
  const service = balance.build(balance.options.parse(by), { model: "m", env })({ list: () => candidates });
  const tally = { answered: 0, failed: 0, waiting: 0 };
  const ask = () => {
    const call = aCall(env, { timeoutMs: TIMEOUT_MS });
    tally.waiting += 1;
    const over = (how: "answered" | "failed") => () => {
      tally[how] += 1;
      tally.waiting -= 1;
      call.end();
    };
    void service(requestFor("m"), call).then(over("answered"), over("failed"));
  };
  const most = Math.max(1, Math.floor(count / 2));
  const check = () => {
    const out = new Set(
      table.list().flatMap(({ state, endpoint }) => (state === "closed" || state === "in-use" ? [] : [endpoint])),
    );
    if (out.size > most) violations.push(`${out.size} of ${count} are out`);
  };
  for (let step = 0; step < STEPS; step += 1) {
    const actor = actors[Math.floor(random() * count)]!;
    if (random() < 0.02) actor.mood = MOODS[Math.floor(random() * MOODS.length)]!;
    if (random() < 0.005) actor.healthy = !actor.healthy;
    env.clock.advance(random() * 40);
    ask();
    if (random() < 0.2) ask();
    await settled();
    check();
  }
  for (const actor of actors) Object.assign(actor, { mood: "well", healthy: true });
  for (let step = 0; step < 600; step += 1) {
    env.clock.advance(50);
    ask();
    await settled();
    check();
  }
  // the last answers, no later than the others
  for (let waited = 0; waited < TIMEOUT_MS; waited += 50) {
    env.clock.advance(50);
    await settled();
  }
  for (const { policy, endpoint, state } of table.list()) {
    if (state !== "closed" && state !== "in-use")
      violations.push(`the ${policy} of ${endpoint} is ${state} after 30 s`);
  }
  if (tally.waiting > 0) violations.push(`${tally.waiting} calls have no answer`);
  held.release();
  if (env.clock.pending > 0) violations.push(`${env.clock.pending} timers are left`);
  const events = (type: string, state: string) =>
    env.events.filter((event) => event.type === type && "state" in event && event.state === state).length;
  return {
    violations,
    answered: tally.answered,
    failed: tally.failed,
    held: env.lines.filter(({ message }) => message.includes("stays closed")).length,
    opened: events("breaker-state", "open"),
    ejected: events("ejection-state", "ejected"),
    anyway,
  };
}

/** All that follows from what has been settled so far. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

interface World {
  readonly env: FakeEnv;
  random(): number;
}

function endpointOf(i: number, actor: Actor, { env, random }: World): Endpoint {
  const after = (ms: number, call: Call) =>
    new Promise<void>((resolve, reject) => {
      const stop = env.clock.after(ms, resolve);
      call.signal.addEventListener("abort", () => {
        stop();
        reject(abortReason(call.signal));
      });
    });
  return {
    id: `gpu/${i}`,
    zone: undefined,
    weight: 1,
    tier: 0,
    tags: [],
    async infer(_request, call) {
      const { mood } = actor;
      if (mood === "failing" || (mood === "flaky" && random() < 0.4)) throw broken();
      await after(mood === "hanging" ? 3_600_000 : mood === "slow" ? 100 : 5, call);
      return wholeReply("m", "1");
    },
    slots: { free: 100, busy: 0, take: async () => ({ release: () => {} }), onFree: () => () => {} },
    available: () => actor.healthy,
    serves: () => true,
    ready: async () => true,
    close: async () => {},
  };
}
