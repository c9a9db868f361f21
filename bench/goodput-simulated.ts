// More than fits under a fake clock, through the gateway's own deadline, retry, balancer and limits: the same on every machine.

import { openSlots } from "../backends/external/slots.ts";
import type { LimitWords } from "../backends/external/words.ts";
import { type Call, unlessAborted } from "../core/call.ts";
import { asInferError, type Code } from "../core/error.ts";
import { outcomeOf } from "../core/outcome.ts";
import type { Candidate, LeafContext } from "../core/policy.ts";
import { type Service, stack } from "../core/service.ts";
import { balance } from "../policies/balance.ts";
import { deadlineLayer } from "../policies/deadline.ts";
import { retryWords } from "../policies/retry/words.ts";
import { retryLayer } from "../policies/retry.ts";
import { type FakeEnv, fakeEnv } from "../test/support/fake-env.ts";
import { aCall, fakeEndpoint } from "../test/support/fake-pool.ts";
import { requestFor, wholeReply } from "../test/support/scripted.ts";
import { randomFrom } from "./random.ts";
import { quantile } from "./stats.ts";

export interface CrowdScene {
  readonly endpoints: number;
  readonly slots: number;
  readonly runMs: number;
  readonly deadlinesMs: readonly number[];
  readonly limit: LimitWords;
  readonly perSecond: number;
  readonly warmMs: number;
  readonly measureMs: number;
}

export interface CrowdFacts {
  /** Answered in time, a second. */
  readonly goodput: number;
  /** Of those answered: their time by their deadline. */
  readonly p99OfDeadline: number;
  readonly refused: Readonly<Partial<Record<Code, number>>>;
}

const STEP_MS = 0.5;
const SEED = 13;

export async function simulateCrowd(scene: CrowdScene): Promise<CrowdFacts> {
  const env = fakeEnv(SEED);
  const service = serviceOf(scene, env);
  const random = randomFrom(SEED);
  const ofDeadline: number[] = [];
  const refused: Partial<Record<Code, number>> = {};
  const ask = async (deadlineMs: number, counts: boolean) => {
    const call = aCall(env, { timeoutMs: deadlineMs });
    const at = env.clock.now();
    try {
      await unlessAborted(service(requestFor("m"), call), call.signal);
      if (counts) ofDeadline.push((env.clock.now() - at) / deadlineMs);
    } catch (error) {
      const { code } = asInferError(error);
      if (counts) refused[code] = (refused[code] ?? 0) + 1;
    } finally {
      call.end();
    }
  };
  const asked: Promise<void>[] = [];
  const endMs = scene.warmMs + scene.measureMs;
  let next = 0;
  for (let now = 0; now < endMs + Math.max(...scene.deadlinesMs); now += STEP_MS) {
    for (; next <= now && next < endMs; next += (-Math.log(1 - random()) * 1000) / scene.perSecond) {
      const deadlineMs = scene.deadlinesMs[Math.floor(random() * scene.deadlinesMs.length)] ?? 0;
      asked.push(ask(deadlineMs, next >= scene.warmMs));
    }
    env.clock.advance(STEP_MS);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(asked);
  const inTime = ofDeadline.filter((share) => share <= 1).length;
  return { goodput: (inTime / scene.measureMs) * 1000, p99OfDeadline: quantile(ofDeadline, 0.99) || 0, refused };
}

/** The layers that a request meets, in the order of gateway/stack.ts. */
function serviceOf(scene: CrowdScene, env: FakeEnv): Service {
  const list = Array.from({ length: scene.endpoints }, (_, i) => candidateOf(scene, { env, id: `b/${i}` }));
  const candidates = { list: () => list };
  const context: LeafContext = {
    model: "m",
    version: "1",
    env,
    candidates,
    signature: () => Promise.reject(new Error("nobody asks")),
    run: async (work) => {
      throw new Error(`expected nothing sliced, got ${typeof work}`);
    },
  };
  return stack(
    [deadlineLayer(context), retryLayer(retryWords.parse({ repeatable: true }) || NEVER, context)],
    balance.build(balance.fallback, { model: "m", env })(candidates),
  );
}

const NEVER = { attempts: 1, share: 0, pauseMs: 0 } as const;

function candidateOf(scene: CrowdScene, { env, id }: { readonly env: FakeEnv; readonly id: string }): Candidate {
  const limits = openSlots({ env, backend: "b", endpoint: id, most: 65_536, limit: scene.limit });
  const run = openServer(scene, env);
  const service: Service = async (_, call) => {
    const permit = await limits.enter(1, call);
    call.trace.learn({ backend: "b", endpoint: id });
    try {
      await unlessAborted(run(call), call.signal);
      permit.leave("success");
      return wholeReply("m", "1");
    } catch (error) {
      permit.leave(outcomeOf(error));
      throw error;
    }
  };
  const { candidate } = fakeEndpoint({ id, slots: scene.slots }, env);
  return { ...candidate, service, endpoint: { ...candidate.endpoint, slots: limits, infer: service } };
}

/** First come first served; who has left while waiting is not run, and what has begun runs to its end. */
function openServer({ slots, runMs }: CrowdScene, { clock }: FakeEnv): (call: Call) => Promise<void> {
  const queue: (() => boolean)[] = [];
  let free = slots;
  const next = () => {
    for (let begin = queue.shift(); begin !== undefined; begin = queue.shift()) if (begin()) return;
    free += 1;
  };
  return (call) =>
    new Promise((resolve) => {
      const begin = () => {
        if (call.signal.aborted) return false;
        clock.after(runMs, () => {
          resolve();
          next();
        });
        return true;
      };
      if (free === 0) return void queue.push(begin);
      free -= 1;
      begin();
    });
}
