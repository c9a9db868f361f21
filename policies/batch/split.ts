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
  const names = outputs.map((output) => output.name);
  if (names.length > 1 && new Set(names).size !== names.length)
    throw wrong(asked, `got an output twice: ${names.join(", ")}`);
  const wanted = asked.request.outputs?.map((output) => output.name);
  if (wanted === undefined) {
    if (outputs.length === 0) throw wrong(asked, "got no output");
    return;
  }
  if (wanted.length === names.length && wanted.every((name, i) => names[i] === name)) return;
  throw wrong(asked, `expected the outputs ${wanted.join(", ")}, got ${names.join(", ") || "none"}`);
}

function checkOutput(output: Tensor, asked: Omit<Asked, "counts">): void {
  const { name, shape, datatype } = output;
  if (shape[0] !== asked.rows) {
    throw wrong(asked, `output "${name}": expected ${asked.rows} rows, got shape [${shape.join(",")}]`);
  }
  const spec = asked.signature?.outputs.find((one) => one.name === name);
  // parameters may ask for another form, as Triton's classification does
  const plain = (asked.request.outputs?.find((one) => one.name === name) as RequestedOutput | undefined)?.parameters;
  if (spec === undefined || (plain !== undefined && plain.size > 0)) return;
  if (datatype === spec.datatype && fits(shape, spec)) return;
  const said = `${spec.datatype} of shape [${spec.shape.join(",")}]`;
  throw wrong(asked, `output "${name}": expected ${said}, got ${datatype} of shape [${shape.join(",")}]`);
}

function fits(shape: readonly number[], spec: TensorSpec): boolean {
  return (
    shape.length === spec.shape.length &&
    shape.every((size, i) => i === 0 || spec.shape[i] === -1 || size === spec.shape[i])
  );
}

function wrong({ rows }: Pick<Asked, "rows">, what: string): InferError {
  return new InferError("bad-backend", `the answer to a batch of ${rows} rows: ${what}`);
}
