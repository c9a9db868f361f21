// A worker: holds sessions of ONNX Runtime and runs them one at a time, in a thread or in a child process of its own.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { performance } from "node:perf_hooks";
import { isMainThread, workerData } from "node:worker_threads";
import { env, InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { InferError } from "../../core/error.ts";
import { ELEMENT_BYTES } from "../../core/tensor.ts";
import { arrayOver, datatypeOfWord, isOrtDatatype, type NumericArray, wordOf } from "./datatypes.ts";
import { faultOf } from "./faults.ts";
import type { FromWorker, SessionFacts, SessionOptions, ToWorker, ValueFacts, WireTensor } from "./messages.ts";
import { fromThread, readToThread, type ThreadData, type ToThread } from "./rows.ts";
import { fromStrings, toStrings } from "./texts.ts";
import { openTicket } from "./ticket.ts";

// Node 26 has Float16Array, with which onnxruntime-common then makes FP16 tensors, and whose bytes the binding cannot read
// ("not enough space: expected 8, got 0"). Without it both speak Uint16Array. It is looked up at the first tensor.
Reflect.deleteProperty(globalThis, "Float16Array");

// what goes wrong is in the answers; ONNX Runtime would write it to stderr as well
env.logLevel = "fatal";

const READ_BYTES = 64 * 1024 * 1024;
/** Absent in a child process, which has a channel instead. */
const thread = isMainThread ? undefined : (workerData as ThreadData);
const ticket = thread && openTicket(thread.ticket);
const sessions = new Map<string, InferenceSession>();

function say(message: FromWorker, transfer: readonly ArrayBuffer[] = []): void {
  if (thread === undefined) process.send?.(message);
  else thread.port.postMessage(fromThread(message), [...new Set(transfer)]);
}

async function handle(message: ToWorker): Promise<void> {
  switch (message.type) {
    case "load":
      return answer(message.ask, async () => ({ facts: await load(message) }));
    case "unload":
      return answer(message.ask, async () => {
        const session = sessions.get(message.session);
        sessions.delete(message.session);
        await session?.release();
        return {};
      });
    case "hash":
      return answer(message.ask, async () => ({ hash: await hashFiles(message.paths) }));
    case "run":
      return run(message);
    case "exit":
      return process.exit(0);
    default: {
      const never: never = message;
      throw new Error(`unknown message ${JSON.stringify(never)}`);
    }
  }
}

async function answer(ask: number, work: () => Promise<{ facts?: SessionFacts; hash?: string }>): Promise<void> {
  try {
    say({ type: "done", ask, ...(await work()) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const code = error instanceof InferError ? error.code : "unavailable";
    say({ type: "failed", ask, reason: reason.trim(), code });
  }
}

async function load(message: Extract<ToWorker, { type: "load" }>): Promise<SessionFacts> {
  // Left to itself ONNX Runtime maps these files into memory: overwriting one in place would change the answers of a
  // session in use, and shortening it would end the process with SIGBUS (both measured with onnxruntime-node 1.30).
  const externalData = [];
  for (const { location, path } of message.weights) externalData.push({ path: location, data: await readWhole(path) });
  const options = { ...sessionOptions(message.options), ...(externalData.length === 0 ? {} : { externalData }) };
  const session = await InferenceSession.create(message.path, options);
  try {
    const facts = {
      inputs: session.inputMetadata.map((value) => valueFacts("input", value)),
      outputs: session.outputMetadata.map((value) => valueFacts("output", value)),
    };
    sessions.set(message.session, session);
    return facts;
  } catch (error) {
    await session.release();
    throw error;
  }
}

// in pieces, since fs.readFile ends at 2 GiB
async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const data = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(data, at, Math.min(size - at, READ_BYTES), at);
      if (bytesRead === 0) throw new Error(`${basename(path)} became shorter while it was read`);
      at += bytesRead;
    }
    return data;
  } finally {
    await file.close();
  }
}

function sessionOptions(options: SessionOptions): InferenceSession.SessionOptions {
  return {
    intraOpNumThreads: options.intraOpThreads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: options.graphOptimization,
    executionProviders: [...options.executionProviders],
    logSeverityLevel: 4,
    extra: { session: { intra_op: { allow_spinning: options.spinning ? "1" : "0" } } },
  };
}

function valueFacts(side: string, value: InferenceSession.ValueMetadata): ValueFacts {
  if (!value.isTensor) {
    throw new InferError(
      "unsupported",
      `${side} "${value.name}" is a sequence or a map, not a tensor (exported by skl2onnx? set zipmap to False)`,
    );
  }
  const datatype = datatypeOfWord(value.type);
  if (datatype === undefined) {
    throw new InferError(
      "unsupported",
      `${side} "${value.name}" is ${value.type}, which inference protocols have no word for`,
    );
  }
  return { name: value.name, datatype, shape: value.shape.map((size) => (typeof size === "number" ? size : -1)) };
}

async function run(message: Extract<ToWorker, { type: "run" }>): Promise<void> {
  const buffer = lentBuffer(message.inputs);
  const back = buffer === undefined ? {} : { buffer };
  const transfer = buffer === undefined ? [] : [buffer];
  if (ticket?.claim(message.run) === false) {
    say({ type: "skipped", run: message.run, ...back }, transfer);
    return;
  }
  const began = performance.now();
  try {
    const session = sessions.get(message.session);
    if (session === undefined) throw new InferError("internal", `session ${message.session} is not loaded`);
    const feeds: Record<string, OrtTensor> = {};
    for (const input of message.inputs) feeds[input.name] = toOrt(input);
    const fetched = await runSession(session, feeds, message.outputs);
    const outputs = message.outputs.map((name) => fromOrt(name, fetched[name]));
    const ranMs = performance.now() - began;
    const owned = outputs.map((output) => output.data.buffer as ArrayBuffer);
    say({ type: "answered", run: message.run, outputs, ranMs, ...back }, [...transfer, ...owned]);
  } catch (error) {
    const ranMs = performance.now() - began;
    const { code, message: text, cause, origin } = error instanceof InferError ? refusal(error) : faultOf(error);
    const why = cause === undefined ? {} : { cause };
    say({ type: "refused", run: message.run, code, origin, message: text, ...why, ranMs, ...back }, transfer);
  }
}

function refusal(error: InferError) {
  const origin = error.origin === "client" ? ("client" as const) : ("backend" as const);
  return { code: error.code, origin, message: error.message, cause: undefined };
}

function runSession(session: InferenceSession, feeds: Record<string, OrtTensor>, outputs: readonly string[]) {
  return session.run(feeds, [...outputs]);
}

// the buffer that came with the inputs and goes back with the answer; a child process got copies, which nobody wants back
function lentBuffer(inputs: readonly WireTensor[]): ArrayBuffer | undefined {
  const buffer = inputs[0]?.data.buffer;
  return thread !== undefined && buffer instanceof ArrayBuffer ? buffer : undefined;
}

function toOrt(input: WireTensor): OrtTensor {
  const { datatype, shape, data } = input;
  if (!isOrtDatatype(datatype))
    throw new InferError("unsupported", `input "${input.name}": ${datatype} is not supported`);
  if (datatype === "BYTES") return new OrtTensor("string", toStrings(input), shape);
  if (datatype === "BOOL") checkBooleans(input);
  const width = ELEMENT_BYTES[datatype];
  // a child process gets its bytes wherever the channel's buffer has them
  const aligned = data.byteOffset % width === 0 && data.buffer instanceof ArrayBuffer ? data : new Uint8Array(data);
  const place = { buffer: aligned.buffer as ArrayBuffer, offset: aligned.byteOffset, length: data.byteLength / width };
  return new OrtTensor(wordOf(datatype), arrayOver(datatype, place) as never, shape);
}

// ONNX Runtime takes any byte as a BOOL and hands it on: 2 would come out as 2
function checkBooleans(input: WireTensor): void {
  const wrong = input.data.findIndex((byte) => byte > 1);
  if (wrong === -1) return;
  throw new InferError(
    "invalid-argument",
    `input "${input.name}": BOOL element ${wrong}: expected 0 or 1, got ${input.data[wrong]}`,
  );
}

function fromOrt(name: string, tensor: OrtTensor | undefined): WireTensor {
  if (tensor === undefined) throw new InferError("bad-backend", `output "${name}": the model did not answer it`);
  const datatype = datatypeOfWord(tensor.type);
  if (datatype === undefined) throw new InferError("bad-backend", `output "${name}": unexpected type ${tensor.type}`);
  if (datatype === "BYTES") {
    const data = fromStrings(name, tensor.data as string[]);
    return { name, datatype, shape: tensor.dims, data };
  }
  const array = tensor.data as NumericArray;
  return { name, datatype, shape: tensor.dims, data: new Uint8Array(array.buffer, array.byteOffset, array.byteLength) };
}

/** One file: its own sha256, as `sha256sum` gives it. Several: the sha256 over each file's name and sha256. */
async function hashFiles(paths: readonly string[]): Promise<string> {
  const hashes: string[] = [];
  for (const path of paths) {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) hash.update(chunk as Buffer);
    hashes.push(`${basename(path)}\0${hash.digest("hex")}\n`);
  }
  if (hashes.length === 1) return (hashes[0] as string).slice(-65, -1);
  return createHash("sha256").update(hashes.join("")).digest("hex");
}

// One message after the other: a run gives its thread up for a moment before it blocks it, and the next must not slip in.
// A hash reads for long and takes the time between the runs.
let last: Promise<void> = Promise.resolve();
function take(message: ToWorker): void {
  if (message.type === "hash") void handle(message);
  else last = last.then(() => handle(message));
}

if (thread !== undefined) {
  thread.port.on("message", (message: ToThread) => take(readToThread(message)));
} else {
  process.on("message", take);
  // the gateway itself has gone: between runs, since a run keeps the event from being seen
  process.on("disconnect", () => process.exit(0));
  // a signal to the whole group (Ctrl-C) is the gateway's to answer: it lets the runs finish
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => {});
}
say({ type: "started" });
