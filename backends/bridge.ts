// The bridge between a logical model and the model on one backend: names, datatypes, a batch dimension, fixed inputs, chosen outputs.

import type { Bridge, BridgedTensor } from "../core/bridge.ts";
import { InferError, invalid } from "../core/error.ts";
import type { ModelMetadata, Signature, TensorSpec } from "../core/model.ts";
import type { RunSliced } from "../core/protocol.ts";
import type { InferRequest, InferResponse, InferStream, Reply, RequestedOutput } from "../core/request.ts";
import type { Layer } from "../core/service.ts";
import { NO_PARAMETERS, type Tensor } from "../core/tensor.ts";
import { cast, type Numeric } from "./bridge/cast.ts";

/** Tensors below this are cast at once. */
const SMALL_BYTES = 64 * 1024;

/**
 * Turns requests into what the model on the backend takes, and its answers back. A request that cannot be turned is the
 * client's fault (`invalid-argument`); an answer that cannot is the backend's (`bad-backend`).
 */
export function bridgeLayer(bridge: Bridge, run: RunSliced): Layer {
  return (next) => async (request, call) => {
    const work: Work = { bridge, run, signal: call.signal };
    const reply = await next(await requestThere(request, work), call);
    return replyBack(reply, request, work);
  };
}

interface Work {
  readonly bridge: Bridge;
  readonly run: RunSliced;
  readonly signal: AbortSignal;
}

async function requestThere(request: InferRequest, work: Work): Promise<InferRequest> {
  const { bridge } = work;
  const inputs: Tensor[] = [];
  for (const input of request.inputs) inputs.push(await inputThere(input, work));
  for (const fixed of bridge.fixed) {
    const taken = inputs.some((one) => one.name === fixed.name);
    if (taken) throw invalid(`input "${fixed.name}" is set by the gateway's config and cannot be sent`);
  }
  const outputs = outputsThere(request.outputs, bridge);
  const { outputs: _, ...rest } = request;
  return { ...rest, inputs: [...inputs, ...bridge.fixed], ...(outputs === undefined ? {} : { outputs }) };
}

async function inputThere(input: Tensor, work: Work): Promise<Tensor> {
  const there = work.bridge.inputs.get(input.name);
  if (there === undefined) return input;
  const shape = shapeThere(input, there);
  const named = { ...input, name: there.name, shape };
  if (there.there === undefined || input.datatype === there.there) return named;
  const label = `input "${input.name}"`;
  if (there.datatype !== undefined && input.datatype !== there.datatype) {
    throw invalid(`${label}: expected datatype ${there.datatype}, got ${input.datatype}`);
  }
  const refuse = (value: number | bigint, at: number) =>
    invalid(`${label}: element ${at} is ${value}, which the model's ${there.there} cannot hold`);
  return { ...named, datatype: there.there, data: await castData(input, there.there, { work, label, refuse }) };
}

function shapeThere({ name, shape }: Tensor, { batch }: BridgedTensor): readonly number[] {
  if (batch === "add") return [1, ...shape];
  if (batch === undefined) return shape;
  if (shape[0] === 1) return shape.slice(1);
  throw invalid(`input "${name}": expected a leading dimension of 1, got shape [${shape.join(",")}]`);
}

/** The outputs to ask for there: where the bridge chooses outputs and the caller none, all that it chose. */
function outputsThere(asked: readonly RequestedOutput[] | undefined, bridge: Bridge) {
  if (bridge.outputs.size === 0) return asked;
  const known = [...bridge.outputs.keys()];
  return (asked ?? known.map((name) => ({ name, parameters: NO_PARAMETERS }))).map((output) => {
    const there = bridge.outputs.get(output.name);
    if (there !== undefined) return { ...output, name: there.name };
    throw invalid(`unexpected output "${output.name}": the model has ${known.map((name) => `"${name}"`).join(", ")}`);
  });
}

async function replyBack(reply: Reply, request: InferRequest, work: Work): Promise<Reply> {
  if (work.bridge.outputs.size === 0) return reply;
  if (reply.kind === "whole") return answerBack(reply, request, work);
  return { kind: "stream", parts: partsBack(reply, request, work) };
}

async function* partsBack(
  reply: InferStream,
  request: InferRequest,
  work: Work,
): AsyncGenerator<InferResponse, void, undefined> {
  // an empty part carries parameters only, as a last one may
  for await (const part of reply.parts) {
    yield part.outputs.length === 0 ? part : await answerBack(part, request, work);
  }
}

async function answerBack(answer: InferResponse, request: InferRequest, work: Work): Promise<InferResponse> {
  const names = request.outputs?.map((output) => output.name) ?? [...work.bridge.outputs.keys()];
  const outputs: Tensor[] = [];
  for (const name of names) {
    const there = work.bridge.outputs.get(name);
    const output = answer.outputs.find((one) => one.name === there?.name);
    if (there === undefined || output === undefined) throw wrong(`the answer has no output "${there?.name ?? name}"`);
    outputs.push(await outputBack(output, { name, there }, work));
  }
  return { ...answer, outputs };
}

interface Back {
  readonly name: string;
  readonly there: BridgedTensor;
}

async function outputBack(output: Tensor, { name, there }: Back, work: Work): Promise<Tensor> {
  const named = { ...output, name, shape: shapeBack(output, there) };
  const { datatype } = there;
  if (datatype === undefined || datatype === output.datatype) return named;
  const label = `output "${name}"`;
  const refuse = (value: number | bigint, at: number) =>
    wrong(`${label}: element ${at} is ${value}, which ${datatype} cannot hold`);
  return { ...named, datatype, data: await castData(output, datatype, { work, label, refuse }) };
}

function shapeBack({ name, shape }: Tensor, { batch }: BridgedTensor): readonly number[] {
  if (batch === "drop") return [1, ...shape];
  if (batch === undefined) return shape;
  if (shape[0] === 1) return shape.slice(1);
  throw wrong(`output "${name}": expected a leading dimension of 1, got shape [${shape.join(",")}]`);
}

interface Casting {
  readonly work: Work;
  readonly label: string;
  refuse(value: number | bigint, at: number): Error;
}

async function castData(tensor: Tensor, to: string, { work, label, refuse }: Casting): Promise<Uint8Array> {
  const { datatype: from, data } = tensor;
  if (from === "BYTES" || to === "BYTES") {
    throw new InferError("unsupported", `${label}: ${from} cannot be cast to ${to}`);
  }
  const types = { from, to: to as Numeric };
  return work.run(cast(data, types, refuse), { small: data.byteLength < SMALL_BYTES, signal: work.signal });
}

/** The signature that clients see, from that of the model on the backend. */
export function bridgeSignature(bridge: Bridge, there: ModelMetadata): ModelMetadata {
  // the others by name have tensors of their own, which no bridge names
  const { batchDim, signatures: _, ...rest } = there;
  const fixed = new Set(bridge.fixed.map(({ name }) => name));
  const inputNames = new Map([...bridge.inputs].map(([name, one]) => [one.name, { name, there: one }]));
  const inputs = there.inputs
    .filter(({ name }) => !fixed.has(name))
    .map((spec) => specBack(spec, inputNames.get(spec.name)));
  const outputs =
    bridge.outputs.size === 0
      ? there.outputs
      : [...bridge.outputs].flatMap(([name, one]) => {
          const spec = there.outputs.find((output) => output.name === one.name);
          return spec === undefined ? [] : [specBack(spec, { name, there: one })];
        });
  const kept = batchDim !== undefined && !changesRank(bridge);
  return { ...rest, inputs, outputs, ...(kept ? { batchDim } : {}) };
}

function specBack(spec: TensorSpec, back: Back | undefined): TensorSpec {
  if (back === undefined) return spec;
  const { name, there } = back;
  const shape = there.batch === "add" ? spec.shape.slice(1) : there.batch === "drop" ? [1, ...spec.shape] : spec.shape;
  return { ...spec, name, shape, datatype: there.datatype ?? spec.datatype };
}

/** The signature that the backend's model has, from the one that the config declares for clients. */
export function signatureThere(bridge: Bridge, declared: Signature): Signature {
  const { batchDim } = declared;
  const fixed = bridge.fixed.map(({ name, datatype, shape }) => ({ name, datatype, shape }));
  const inputs = declared.inputs.map((spec) => specThere(spec, bridge.inputs.get(spec.name)));
  const outputs = declared.outputs.map((spec) => specThere(spec, bridge.outputs.get(spec.name)));
  const kept = batchDim !== undefined && !changesRank(bridge);
  return { inputs: [...inputs, ...fixed], outputs, ...(kept ? { batchDim } : {}) };
}

function specThere(spec: TensorSpec, there: BridgedTensor | undefined): TensorSpec {
  if (there === undefined) return spec;
  const { name, batch } = there;
  const shape = batch === "add" ? [1, ...spec.shape] : batch === "drop" ? spec.shape.slice(1) : spec.shape;
  return { ...spec, name, shape, datatype: there.there ?? spec.datatype };
}

function changesRank(bridge: Bridge): boolean {
  return [...bridge.inputs.values(), ...bridge.outputs.values()].some(({ batch }) => batch !== undefined);
}

function wrong(message: string): InferError {
  return new InferError("bad-backend", message);
}
