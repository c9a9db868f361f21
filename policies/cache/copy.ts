// An answer as it is kept: its bytes copied, so that it pins no body and no batch, and its weight.

import type { InferResponse, RequestedOutput } from "../../core/request.ts";
import { copyPieces, type Sliced } from "../../core/run.ts";
import { NO_PARAMETERS, type Parameters, type Tensor } from "../../core/tensor.ts";

/** The answer with bytes of its own, all outputs in one buffer. */
export function* copyAnswer(answer: InferResponse): Sliced<InferResponse> {
  const kept = new Uint8Array(bytesOf(answer));
  yield* copyPieces(
    answer.outputs.map(({ data }) => data),
    kept,
  );
  let at = 0;
  const outputs = answer.outputs.map(({ data, shape, ...rest }): Tensor => {
    const begin = at;
    at += data.byteLength;
    return { ...rest, shape: [...shape], data: kept.subarray(begin, at) };
  });
  const { kind, model, parameters } = answer;
  return { kind, model, outputs, parameters: parameters.size === 0 ? NO_PARAMETERS : new Map(parameters) };
}

export function bytesOf({ outputs }: InferResponse): number {
  let bytes = 0;
  for (const { data } of outputs) bytes += data.byteLength;
  return bytes;
}

// what the objects of an entry, of an output and of a parameter take beside the tensors' bytes, as measured under Node 26
const ENTRY_BYTES = 1_000;
const OUTPUT_BYTES = 350;
const PARAMETER_BYTES = 150;

/** Bytes of memory that the answer takes, with all that is kept beside it. */
export function weightOf(answer: InferResponse, head: string): number {
  const ofParameters = (parameters: Parameters | undefined) => {
    let bytes = 0;
    for (const [name, value] of parameters ?? []) bytes += PARAMETER_BYTES + name.length + String(value).length;
    return bytes;
  };
  let weight = ENTRY_BYTES + head.length + bytesOf(answer) + ofParameters(answer.parameters);
  for (const { parameters } of answer.outputs) weight += OUTPUT_BYTES + ofParameters(parameters);
  return weight;
}

/** The outputs in the order in which they were asked for, where each has one name. */
export function inOrder(answer: InferResponse, wanted: readonly RequestedOutput[] | undefined): InferResponse {
  if (wanted === undefined || wanted.every(({ name }, i) => answer.outputs[i]?.name === name)) return answer;
  const byName = new Map(answer.outputs.map((output) => [output.name, output]));
  const outputs = wanted.flatMap(({ name }) => byName.get(name) ?? []);
  return outputs.length === answer.outputs.length ? { ...answer, outputs } : answer;
}
