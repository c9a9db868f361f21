// A pool over fake workers and a fake clock: the test asks for runs and ends them by hand.

import type { Order } from "../../backends/onnx/job.ts";
import { openPool, type Pool, type PoolSpec } from "../../backends/onnx/pool.ts";
import { type CallInit, type OwnedCall, openCall } from "../../core/call.ts";
import type { InferError } from "../../core/error.ts";
import { type FakeEnv, fakeEnv } from "./fake-env.ts";
import { type FakeCrew, type FakeCrewOptions, fakeCrew } from "./onnx-fake-worker.ts";

export interface Bench {
  readonly pool: Pool;
  readonly env: FakeEnv;
  readonly crew: FakeCrew;
  /** Asks for a run; the answer tells what became of it. */
  ask(model: string, tag?: number, init?: Partial<CallInit>): Asked;
  load(model: string, spec?: Partial<PoolSpec>): Promise<unknown>;
  /** Everything that settles at once has settled. */
  rest(): Promise<void>;
}

export interface Asked {
  readonly call: OwnedCall;
  /** `waiting`, `answered`, or the error's code. */
  state: string;
  message: string;
  queuedMs: number;
}

export interface BenchOptions extends FakeCrewOptions {
  readonly workers?: number;
  readonly maxQueue?: number;
  readonly models?: readonly string[];
}

export async function bench(options: BenchOptions = {}): Promise<Bench> {
  const env = fakeEnv();
  const crew = fakeCrew(options);
  const pool = openPool({
    backend: "local",
    workers: options.workers ?? 1,
    spawn: crew.spawn,
    maxQueue: options.maxQueue ?? 256,
    runTimeoutMs: 10_000,
    env,
  });
  const rest = () => new Promise<void>((resolve) => setImmediate(resolve));
  const load: Bench["load"] = (model, spec = {}) =>
    pool.load({
      session: model,
      path: `/${model}.onnx`,
      weights: [],
      options: { intraOpThreads: 1, spinning: false, graphOptimization: "all", executionProviders: ["cpu"] },
      workers: options.workers ?? 1,
      bytes: 1,
      unchanged: async () => true,
      warmUp: () => [],
      warmUpFailed: () => {},
      ...spec,
    });
  for (const model of options.models ?? ["a", "b"]) await load(model);
  return {
    pool,
    env,
    crew,
    rest,
    load,
    ask(model, tag = 0, init = {}) {
      const call = openCall({ id: "1", traceparent: "", clock: env.clock, protocol: "test", ...init });
      const asked: Asked = { call, state: "waiting", message: "", queuedMs: -1 };
      pool.run(orderOf(model, tag), call).then(
        ({ queuedMs }) => Object.assign(asked, { state: "answered", queuedMs }),
        (error: InferError) => Object.assign(asked, { state: error.code, message: error.message }),
      );
      return asked;
    },
  };
}

/** A run whose one input is the tag, so that a test can tell which run a worker is inside. */
export function orderOf(model: string, tag: number): Order {
  const data = new Uint8Array(new Float32Array([tag]).buffer);
  return { session: model, model, inputs: [{ name: "x", datatype: "FP32", shape: [1], data }], outputs: ["y"] };
}

/** `model:tag` of the run that a worker is inside. */
export function inside(crew: FakeCrew, index: number): string {
  const run = crew.workers[index]?.running;
  if (run === undefined) return "-";
  const data = new Uint8Array(run.inputs[0]?.data ?? []);
  return `${run.session}:${new Float32Array(data.buffer)[0]}`;
}

/** Ends runs in a worker until it has none, and says which they were. */
export function drain(crew: FakeCrew, index: number, most = 1000): string[] {
  const seen: string[] = [];
  while (crew.workers[index]?.running !== undefined && seen.length < most) {
    seen.push(inside(crew, index));
    crew.workers[index]?.finish();
  }
  return seen;
}
