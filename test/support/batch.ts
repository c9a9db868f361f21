// A batcher over endpoints that a test scripts, under a fake clock.

import { type OwnedCall, openCall } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { Candidate } from "../../core/policy.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import type { RunSliced } from "../../core/run.ts";
import type { Service } from "../../core/service.ts";
import { NO_PARAMETERS } from "../../core/tensor.ts";
import type { Scheduler } from "../../policies/batch/scheduler.ts";
import { batchWords } from "../../policies/batch/words.ts";
import { batchLayer } from "../../policies/batch.ts";
import { intsOf, METADATA, rowsOfInts } from "./batch-model.ts";
import { fakePlace, type PlaceFake, type PlaceInit } from "./batch-place.ts";
import { type FakeEnv, fakeEnv } from "./fake-env.ts";
import { requestFor } from "./scripted.ts";

export interface Bench {
  readonly env: FakeEnv;
  readonly service: Service;
  readonly scheduler: Scheduler;
  /** Runs everything that can run without time passing. */
  settle(): Promise<void>;
  /** Lets time pass in steps, settling after each. */
  pass(ms: number, stepMs?: number): Promise<void>;
  ask(values: readonly number[], init?: Ask): Asking;
}

export interface Ask {
  readonly timeoutMs?: number;
  readonly tenant?: string;
  readonly priority?: number;
  readonly headers?: ReadonlyMap<string, string>;
  readonly request?: Partial<InferRequest>;
  readonly width?: number;
}

export interface Asking {
  readonly call: OwnedCall;
  readonly answer: Promise<Reply>;
  /** What came of it, once it has. */
  outcome: { readonly reply: Reply } | { readonly error: unknown } | undefined;
  /** How often it was settled. */
  times: number;
}

export interface BenchInit {
  readonly words?: unknown;
  readonly places: readonly PlaceInit[];
  readonly metadata?: Partial<ModelMetadata>;
  readonly run?: RunSliced;
  readonly seed?: number;
  readonly next?: (fakes: readonly PlaceFake[]) => Service;
  readonly env?: FakeEnv;
}

/** Runs the generator to its end at once. */
export const runAtOnce: RunSliced = (work) => {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
};

export function openBench(init: BenchInit): Bench & { readonly fakes: readonly PlaceFake[] } {
  const env = init.env ?? fakeEnv(init.seed);
  const fakes = init.places.map((place) => fakePlace(place, env));
  const list = fakes.map(({ candidate }) => candidate);
  const soon: (() => void)[] = [];
  let scheduler: Scheduler | undefined;
  const next = init.next?.(fakes) ?? byPreference(list);
  const layer = batchLayer(batchWords.parse(init.words ?? true), {
    model: "m",
    version: "1",
    env,
    candidates: { list: () => list },
    signature: async () => ({ ...METADATA, ...init.metadata }),
    run: init.run ?? runAtOnce,
    soon: (callback) => void soon.push(callback),
    onScheduler: (made) => {
      scheduler = made;
    },
  });
  const service = layer(async (request, call) => next(request, call));
  const settle = async () => {
    for (;;) {
      await new Promise(setImmediate);
      if (soon.length === 0) return;
      for (const callback of soon.splice(0)) callback();
    }
  };
  return {
    env,
    fakes,
    service,
    scheduler: scheduler as unknown as Scheduler,
    settle,
    async pass(ms, stepMs = ms) {
      for (let left = ms; left > 0; left -= stepMs) {
        env.clock.advance(Math.min(stepMs, left));
        await settle();
      }
    },
    ask(values, { timeoutMs, tenant, priority, headers, request, width } = {}) {
      const call = openCall({
        id: "t",
        traceparent: "",
        clock: env.clock,
        protocol: "test",
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...(tenant === undefined ? {} : { tenant }),
        ...(priority === undefined ? {} : { priority }),
        ...(headers === undefined ? {} : { headers }),
      });
      const asked = requestFor("m", { inputs: [rowsOfInts(values, width)], parameters: NO_PARAMETERS, ...request });
      const answer = service(asked, call);
      const asking: Asking = { call, answer, outcome: undefined, times: 0 };
      answer
        .then(
          (reply) => {
            asking.times += 1;
            asking.outcome = { reply };
          },
          (error) => {
            asking.times += 1;
            asking.outcome = { error };
          },
        )
        .finally(() => call.end());
      return asking;
    },
  };
}

/** Goes where the batcher wants, or to the one with the least to do. */
function byPreference(list: readonly Candidate[]): Service {
  return async (request, call) => {
    const wanted = list.find(({ endpoint }) => endpoint.id === call.attempt.prefer);
    const idlest = list.reduce((a, b) => (b.endpoint.slots.busy < a.endpoint.slots.busy ? b : a));
    return (wanted ?? idlest).service(request, call);
  };
}

/** The values of the first output, or the error's code. */
export function gotOf({ outcome }: Asking): readonly number[] | string {
  if (outcome === undefined) return "nothing";
  if ("error" in outcome) return outcome.error instanceof InferError ? outcome.error.code : "foreign";
  if (outcome.reply.kind === "stream") return "stream";
  const [y] = outcome.reply.outputs;
  return y === undefined ? "no output" : intsOf(y);
}

/** What the model answers for these values. */
export function wantOf(values: readonly number[]): readonly number[] {
  return values.map((value) => 3 * value + 1);
}
