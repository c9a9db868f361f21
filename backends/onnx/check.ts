// Whether a request suits the model's signature: checked before a worker sees it.

import { asInferError, InferError, invalid } from "../../core/error.ts";
import type { TensorSpec } from "../../core/model.ts";
import type { InferRequest } from "../../core/request.ts";
import { ELEMENT_BYTES, elementCount, type Tensor } from "../../core/tensor.ts";
import type { Signature } from "./signature.ts";

/** A request in the model's own terms. */
export interface Checked {
  readonly inputs: readonly Tensor[];
  /** The outputs wanted, each once, in the order wanted. */
  readonly outputs: readonly string[];
}

/**
 * The request's inputs and outputs once they are known to suit the signature. What the signature leaves open (symbolic
 * dimensions that must agree, values) is ONNX Runtime's to refuse.
 *
 * @throws InferError invalid-argument or unsupported, naming the input or output, what was expected and what was got
 */
export function checkRequest(request: InferRequest, signature: Signature): Checked {
  const specs = specsOf(signature);
  const given = new Set<string>();
  for (const input of request.inputs) {
    const spec = specs.get(input.name);
    if (spec === undefined && signature.defaults.has(input.name)) throw cannotOverride(input.name);
    if (spec === undefined)
      throw invalid(`input "${input.name}" is unknown: the model has ${quoted(signature.inputs)}`);
    if (given.has(input.name)) throw invalid(`input "${input.name}" is given twice`);
    given.add(input.name);
    checkInput(input, spec, signature.anyRank.has(spec.name));
  }
  if (given.size < specs.size) {
    const missing = signature.inputs.filter((spec) => !given.has(spec.name));
    throw invalid(`${missing.length === 1 ? "input" : "inputs"} ${quoted(missing)} missing`);
  }
  return { inputs: request.inputs, outputs: wantedOutputs(request, signature) };
}

const known = new WeakMap<Signature, ReadonlyMap<string, TensorSpec>>();

function specsOf(signature: Signature): ReadonlyMap<string, TensorSpec> {
  const specs = known.get(signature) ?? new Map(signature.inputs.map((spec) => [spec.name, spec]));
  known.set(signature, specs);
  return specs;
}

function checkInput(input: Tensor, spec: TensorSpec, anyRank: boolean): void {
  if (input.datatype === "BF16") {
    throw new InferError("unsupported", `input "${input.name}": BF16 is not supported by onnxruntime-node`);
  }
  if (input.datatype !== spec.datatype) {
    throw invalid(`input "${input.name}": expected datatype ${spec.datatype}, got ${input.datatype}`);
  }
  const fits =
    anyRank ||
    (input.shape.length === spec.shape.length &&
      spec.shape.every((size, index) => size === -1 || size === input.shape[index]));
  if (!fits) throw invalid(`input "${input.name}": expected shape ${shape(spec.shape)}, got ${shape(input.shape)}`);
  checkBytes(input);
}

// the lengths inside BYTES were checked where the tensor entered; the worker counts its elements as it reads them
function checkBytes(input: Tensor): void {
  let count: number;
  try {
    count = elementCount(input.shape);
  } catch (error) {
    throw invalid(`input "${input.name}": ${asInferError(error).message}`);
  }
  if (input.datatype === "BYTES") return;
  const needed = count * ELEMENT_BYTES[input.datatype];
  if (input.data.byteLength === needed) return;
  throw invalid(
    `input "${input.name}": shape ${shape(input.shape)} needs ${needed} bytes, got ${input.data.byteLength}`,
  );
}

// onnxruntime-node 1.30 ignores a feed for an initialiser in silence: the answer would be the default's
function cannotOverride(name: string): InferError {
  return new InferError(
    "unsupported",
    `input "${name}" has a default that onnxruntime-node cannot override; leave the input out`,
  );
}

function wantedOutputs(request: InferRequest, signature: Signature): readonly string[] {
  const all = signature.outputs.map((output) => output.name);
  if (request.outputs === undefined || request.outputs.length === 0) return all;
  const wanted = new Set<string>();
  for (const { name } of request.outputs) {
    if (!all.includes(name)) throw invalid(`output "${name}" is unknown: the model has ${quoted(signature.outputs)}`);
    if (wanted.has(name)) throw invalid(`output "${name}" is requested twice`);
    wanted.add(name);
  }
  return [...wanted];
}

function quoted(specs: readonly { readonly name: string }[]): string {
  return specs.map((spec) => `"${spec.name}"`).join(", ") || "none";
}

function shape(sizes: readonly number[]): string {
  return `[${sizes.join(",")}]`;
}
