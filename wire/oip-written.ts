// Heads of answers that were written before: a model mostly answers with the same JSON before every tensor.

import type { CodecMemory } from "../core/protocol.ts";
import type { InferResponse } from "../core/request.ts";
import type { AnswerForm } from "./oip-binary.ts";
import type { EncodedBody } from "./oip-write.ts";

/** An answer as it is to be written. */
export interface Written {
  readonly response: InferResponse;
  readonly form: AnswerForm;
  /** The request's id, where it is echoed. */
  readonly id: string | undefined;
}

/** The head, and all that stands in it of the outputs. */
interface KnownHead {
  readonly head: Uint8Array;
  readonly outputs: readonly HeadOutput[];
}

interface HeadOutput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/**
 * The answer's body behind a head that was written for an equal one; undefined where there is none, and for answers that have
 * more to say: an id, parameters, outputs in JSON, without elements or in shared memory.
 */
export function findWritten(answer: Written, memory: CodecMemory): EncodedBody | undefined {
  if (!isPlain(answer)) return undefined;
  const { outputs, model } = answer.response;
  const known = memory.get(keyOf(model)) as KnownHead | undefined;
  if (known === undefined || known.outputs.length !== outputs.length) return undefined;
  const parts: Uint8Array[] = [known.head];
  for (let i = 0; i < outputs.length; i += 1) {
    const [output, said] = [outputs[i], known.outputs[i]];
    if (output === undefined || said === undefined || !saysTheSame(said, output)) return undefined;
    parts.push(output.data);
  }
  return { parts, headerLength: known.head.byteLength };
}

/** Keeps the head of the model's last answer. */
export function keepWritten(answer: Written, { parts }: EncodedBody, memory: CodecMemory): void {
  const { outputs, model } = answer.response;
  const [head] = parts;
  // a long head is in several parts
  if (!isPlain(answer) || head === undefined || parts.length !== outputs.length + 1) return;
  const known: KnownHead = {
    // not a part of the pool that it was written in
    head: new Uint8Array(head),
    outputs: outputs.map(({ name, datatype, shape, data }) => ({ name, datatype, shape, bytes: data.byteLength })),
  };
  memory.set(keyOf(model), known);
}

function isPlain({ response, form, id }: Written): boolean {
  if (id !== undefined || response.parameters.size > 0 || form.regions !== undefined) return false;
  for (const { name, data, parameters } of response.outputs) {
    const isBlob = form.binary.get(name) ?? form.binaryByDefault;
    if (!isBlob || data.byteLength === 0 || (parameters !== undefined && parameters.size > 0)) return false;
  }
  return response.outputs.length > 0;
}

/** The heads of requests stand in the same memory, and begin with a brace. */
function keyOf({ name, version }: InferResponse["model"]): string {
  return `answer of ${name}\0${version}`;
}

function saysTheSame(said: HeadOutput, { name, datatype, shape, data }: InferResponse["outputs"][number]): boolean {
  if (said.name !== name || said.datatype !== datatype || said.bytes !== data.byteLength) return false;
  if (said.shape.length !== shape.length) return false;
  for (let i = 0; i < shape.length; i += 1) if (said.shape[i] !== shape[i]) return false;
  return true;
}
