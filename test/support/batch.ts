// A batcher over endpoints that a test scripts, under a fake clock: y = 3x + 1 for every row, and faults where wanted.

import type { Endpoint, Slots } from "../../core/backend.ts";
import { type Call, type OwnedCall, openCall } from "../../core/call.ts";
import { InferError, invalid } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { Candidate } from "../../core/policy.ts";
import type { InferRequest, InferResponse, Reply } from "../../core/request.ts";
import type { RunSliced } from "../../core/run.ts";
import type { Service } from "../../core/service.ts";
import { joinBytesElements, NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import type { Scheduler } from "../../policies/batch/scheduler.ts";
import { batchWords } from "../../policies/batch/words.ts";
import { batchLayer } from "../../policies/batch.ts";
import { type FakeEnv, fakeEnv } from "./fake-env.ts";
import { requestFor, wholeReply } from "./scripted.ts";

/** What an endpoint does wrong with one call. */
export type Wrong = "error" | "invalid" | "hang" | "deaf" | "short" | "long" | "swapped-outputs" | "crash" | "stream";

export interface PlaceInit {
  readonly id: string;
  readonly slots?: number;
  readonly exact?: boolean;
  /** How long a run of so many rows takes. */
  readonly serviceMs?: (rows: number) => number;
  /** What goes wrong with this call, if anything. */
  readonly wrong?: (rows: number) => Wrong | undefined;
}

export interface PlaceFake {
  readonly candidate: Candidate;
  /** Every call it was given. */
  readonly asked: { readonly request: InferRequest; readonly call: Call; readonly at: number }[];
  /** Running now. */
  busy: number;
  healthy: boolean;
  /** Who waits to hear of a free slot. */
  readonly listeners: Set<() => void>;
}

export const METADATA: ModelMetadata = {
  name: "m",
  version: "1",
  versions: ["1"],
  platform: "test",
  stateful: false,
  batchDim: 0,
  inputs: [{ name: "x", datatype: "INT32", shape: [-1, -1] }],
  outputs: [
    { name: "y", datatype: "INT32", shape: [-1, -1] },
    { name: "text", datatype: "BYTES", shape: [-1] },
  ],
};

/** An INT32 tensor of one row for each value. */
export function rowsOfInts(values: readonly number[], width = 1): Tensor {
  const data = new Int32Array(values.flatMap((value) => Array.from({ length: width }, (_, i) => value + i)));
  return { name: "x", datatype: "INT32", shape: [values.length, width], data: bytesOf(data) };
}

export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

export function intsOf({ data }: Tensor): readonly number[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: data.byteLength / 4 }, (_, i) => view.getInt32(4 * i, true));
}

/** A value that the model refuses, and with it the batch that it is in. */
export const POISON = -7;

/** What the model answers: y = 3x + 1, and each row's first value as text. */
export function answerTo(request: InferRequest): InferResponse {
  const [x] = request.inputs;
  if (x === undefined) throw invalid("expected an input, got none");
  const ints = intsOf(x);
  if (ints.includes(POISON)) throw invalid("poison");
  const y = { ...x, name: "y", data: bytesOf(new Int32Array(ints.map((value) => 3 * value + 1))) };
  const [rows = 0, width = 1] = x.shape;
  const words = Array.from({ length: rows }, (_, i) => new TextEncoder().encode(`<${ints[i * width]}>`));
  const text: Tensor = { name: "text", datatype: "BYTES", shape: [rows], data: joinBytesElements(words) };
  return wholeReply("m", "1", { outputs: [y, text] });
}

export function fakePlace(init: PlaceInit, env: FakeEnv): PlaceFake {
  const { id, slots: most = 1, exact = true, serviceMs = () => 1, wrong = () => undefined } = init;
  const self: PlaceFake = { asked: [], busy: 0, healthy: true, listeners: new Set(), candidate: {} as Candidate };
  const slots: Slots = {
    exact,
    get free() {
      return Math.max(0, most - self.busy);
    },
    get busy() {
      return self.busy;
    },
    take: async () => ({ release: () => {} }),
    onFree(listener) {
      self.listeners.add(listener);
      return () => void self.listeners.delete(listener);
    },
  };
  const service: Service = (request, call) => {
    self.asked.push({ request, call, at: env.clock.now() });
    const rows = request.inputs[0]?.shape[0] ?? 0;
    const fault = wrong(rows);
    if (fault === "crash") throw new TypeError("crashed");
    self.busy += 1;
    return new Promise<Reply>((resolve, reject) => {
      const end = (settle: () => void) => {
        self.busy -= 1;
        stop();
        call.signal.removeEventListener("abort", onAbort);
        settle();
        for (const listener of [...self.listeners]) listener();
      };
      const onAbort = () => end(() => reject(call.signal.reason));
      const done = () =>
        end(() => {
          call.trace.learn({ backend: "b", endpoint: id });
          try {
            resolve(spoiled(answerTo(request), fault));
          } catch (error) {
            reject(error);
          }
        });
      // one that is deaf goes on for a second whatever the caller does
      const stop = fault === "hang" ? () => {} : env.clock.after(fault === "deaf" ? 1000 : serviceMs(rows), done);
      if (fault !== "deaf") call.signal.addEventListener("abort", onAbort, { once: true });
    });
  };
  const endpoint: Endpoint = {
    id,
    zone: undefined,
    weight: 1,
    tier: 0,
    tags: [],
    infer: service,
    slots,
    available: () => self.healthy && (exact || slots.free > 0),
    serves: () => true,
    ready: async () => true,
    close: async () => {},
  };
  const candidate: Candidate = { endpoint, available: () => endpoint.available(), serves: () => true, service };
  return Object.assign(self, { candidate });
}

function spoiled(answer: InferResponse, fault: Wrong | undefined): Reply {
  const [y, text] = answer.outputs as readonly [Tensor, Tensor];
  const [rows = 0, ...row] = y.shape;
  const rowBytes = rows === 0 ? 4 : y.data.byteLength / rows;
  switch (fault) {
    case "error":
      throw new InferError("unavailable", "the endpoint failed");
    case "invalid":
      throw invalid("refused for no reason");
    case "short":
      return { ...answer, outputs: [{ ...y, shape: [rows - 1, ...row], data: y.data.subarray(rowBytes) }, text] };
    case "long":
      return {
        ...answer,
        outputs: [{ ...y, shape: [rows + 1, ...row], data: new Uint8Array((rows + 1) * rowBytes) }, text],
      };
    case "swapped-outputs":
      return {
        ...answer,
        outputs: [
          { ...text, name: "y" },
          { ...y, name: "text" },
        ],
      };
    case "stream":
      return { kind: "stream", parts: (async function* () {})() };
    default:
      return answer;
  }
}

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
