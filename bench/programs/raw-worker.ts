// The thread of the raw arm: one session, run again and again.

import { parentPort } from "node:worker_threads";
import { env, InferenceSession, Tensor } from "onnxruntime-node";
import type { RawFacts, RawJob, RawOne, RawSetup } from "../raw.ts";

env.logLevel = "fatal";

const held: { session?: InferenceSession; setup?: RawSetup } = {};

async function setUp(setup: RawSetup): Promise<void> {
  held.setup = setup;
  held.session = await InferenceSession.create(setup.path, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    executionProviders: ["cpu"],
    logSeverityLevel: 4,
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  });
}

async function run(index: number): Promise<Tensor> {
  const { inputs } = held.setup ?? { inputs: [] };
  return runOn(inputs[index % inputs.length] as Float32Array);
}

async function runOn(values: Float32Array): Promise<Tensor> {
  const { session, setup } = held;
  if (session === undefined || setup === undefined) throw new Error("expected setup first");
  const fetched = await session.run({ [setup.input]: new Tensor("float32", values, setup.shape) }, [setup.output]);
  return fetched[setup.output] as Tensor;
}

async function answers(): Promise<readonly Uint8Array[]> {
  const bytes: Uint8Array[] = [];
  for (const i of (held.setup?.inputs ?? []).keys()) {
    const { data } = await run(i);
    const array = data as Float32Array;
    bytes.push(new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice());
  }
  return bytes;
}

async function measure(job: Extract<RawJob, { type: "measure" }>): Promise<RawFacts> {
  const began = performance.now() + job.warmMs;
  const end = began + job.measureMs;
  let first = 0;
  let last = 0;
  let completed = 0;
  for (let i = 0, now = 0; now < end; i += 1) {
    await run(i);
    now = performance.now();
    if (now < began || now > end) continue;
    if (first === 0) first = now;
    else completed += 1;
    last = now;
  }
  return { completed, perSecond: (completed / (last - first)) * 1000 };
}

async function one(values: Float32Array): Promise<void> {
  const { data } = await runOn(values);
  const { buffer, byteOffset, byteLength } = data as Float32Array<ArrayBuffer>;
  parentPort?.postMessage(new Uint8Array(buffer, byteOffset, byteLength), [buffer]);
}

parentPort?.on("message", async (message: RawSetup | RawJob | RawOne | { readonly type: "end" }) => {
  if (message.type === "one") await one(message.values);
  if (message.type === "setup") parentPort?.postMessage(await setUp(message));
  if (message.type === "answers") parentPort?.postMessage(await answers());
  if (message.type === "measure") parentPort?.postMessage(await measure(message));
  if (message.type === "end") parentPort?.close();
});
