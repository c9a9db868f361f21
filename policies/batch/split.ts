// The answer of a batch as one answer for each member, and answers of parts as one: nobody gets another's rows.

import { InferError } from "../../core/error.ts";
import type { Signature, TensorSpec } from "../../core/model.ts";
import type { InferRequest, InferResponse, Reply, RequestedOutput } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import { cutRows, joinRows } from "./tensors.ts";

export interface Asked {
  /** Rows that were sent, with padding. */
  readonly rows: number;
  /** Rows of each member. */
  readonly counts: readonly number[];
  readonly request: Pick<InferRequest, "outputs">;
  readonly signature?: Pick<Signature, "outputs"> | undefined;
}

/**
 * Each member's own rows, as views into the answer; padding is left out.
 *
 * @throws InferError bad-backend when the answer is a stream, has not exactly the outputs asked for, or an output has not
 *   as many rows as were sent or is not what the signature says
 */
export function* splitReply(reply: Reply, asked: Asked): Generator<void, readonly InferResponse[], void> {
  if (reply.kind === "stream") throw wrong(asked, "got a stream");
  checkReply(reply, asked);
  const cut: (readonly Tensor[])[] = [];
  for (const output of reply.outputs) cut.push(yield* cutRows(output, asked.counts));
  return asked.counts.map((_, i) => ({ ...reply, outputs: cut.map((parts) => parts[i] as Tensor) }));
}

/**
 * Checks that an answer has the outputs and the rows that were asked for, and what the signature says.
 *
 * @throws InferError bad-backend saying what was expected and what was got
 */
export function checkReply(reply: InferResponse, asked: Omit<Asked, "counts">): void {
  checkNames(reply, asked);
  for (const output of reply.outputs) checkOutput(output, asked);
}

/**
 * The answers of a request's parts as the answer of the whole.
 *
 * @param replies at least one, in the order of the parts
 * @throws InferError bad-backend when they have not the same outputs
 */
export function* joinReplies(replies: readonly Reply[]): Generator<void, InferResponse, void> {
  const whole = replies.map((reply) => {
    if (reply.kind === "whole") return reply;
    throw new InferError("bad-backend", "part of a request was answered by a stream");
  });
  const [first] = whole;
  if (first === undefined) throw new InferError("internal", "expected answers to join, got none");
  const outputs: Tensor[] = [];
  for (const { name } of first.outputs) {
    const parts = whole.map(({ outputs: all }) => {
      const found = all.length === first.outputs.length ? all.find((one) => one.name === name) : undefined;
      if (found !== undefined && found.shape.length > 0) return found;
      throw new InferError("bad-backend", `parts of a request were answered with different outputs: "${name}"`);
    });
    try {
      outputs.push(yield* joinRows(parts));
    } catch (error) {
      throw new InferError("bad-backend", `parts of a request were answered with different outputs: "${name}"`, {
        cause: error,
      });
    }
  }
  return { ...first, outputs };
}

function checkNames({ outputs }: InferResponse, asked: Omit<Asked, "counts">): void {
  if (outputs.length > 1 && new Set(outputs.map((output) => output.name)).size !== outputs.length)
    throw wrong(asked, `got an output twice: ${namesOf(outputs)}`);
  const wanted = asked.request.outputs;
  if (wanted === undefined) {
    if (outputs.length === 0) throw wrong(asked, "got no output");
    return;
  }
  if (wanted.length === outputs.length && wanted.every(({ name }, i) => outputs[i]?.name === name)) return;
  throw wrong(asked, `expected the outputs ${namesOf(wanted)}, got ${namesOf(outputs) || "none"}`);
}

function namesOf(outputs: readonly { readonly name: string }[]): string {
  return outputs.map((output) => output.name).join(", ");
}

function checkOutput(output: Tensor, asked: Omit<Asked, "counts">): void {
  const { name, shape, datatype } = output;
  if (shape[0] !== asked.rows) {
    throw wrong(asked, `output "${name}": expected ${asked.rows} rows, got shape [${shape.join(",")}]`);
  }
  const spec = asked.signature?.outputs.find((one) => one.name === name);
  if (spec === undefined || isFormed(asked.request.outputs, name)) return;
  if (datatype === spec.datatype && fits(shape, spec)) return;
  const said = `${spec.datatype} of shape [${spec.shape.join(",")}]`;
  throw wrong(asked, `output "${name}": expected ${said}, got ${datatype} of shape [${shape.join(",")}]`);
}

/** Parameters may ask for another form, as Triton's classification does. */
function isFormed(wanted: readonly RequestedOutput[] | undefined, name: string): boolean {
  const asked = wanted?.find((one) => one.name === name);
  return asked !== undefined && asked.parameters.size > 0;
}

function fits(shape: readonly number[], spec: TensorSpec): boolean {
  if (shape.length !== spec.shape.length) return false;
  for (let i = 1; i < shape.length; i += 1) {
    if (spec.shape[i] !== -1 && shape[i] !== spec.shape[i]) return false;
  }
  return true;
}

function wrong({ rows }: Pick<Asked, "rows">, what: string): InferError {
  return new InferError("bad-backend", `the answer to a batch of ${rows} rows: ${what}`);
}
