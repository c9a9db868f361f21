// What is asked and what is answered: plain immutable values, equal for equal questions.

import { NO_PARAMETERS, type Parameters, type Tensor } from "./tensor.ts";

export type Task = "infer" | "explain" | "classify" | "regress";

export type Select =
  | { readonly by: "default" }
  | { readonly by: "version"; readonly version: string }
  | { readonly by: "label"; readonly label: string };

/** The model that a request names, and which of its versions. */
export interface ModelRef {
  readonly name: string;
  readonly select: Select;
}

/** The model that answered. */
export interface ResolvedModel {
  readonly name: string;
  readonly version: string;
}

export interface RequestedOutput {
  readonly name: string;
  readonly parameters: Parameters;
}

/**
 * **What** is asked. Equal requests have equal answers, so a request can be hashed, merged, mirrored and replayed.
 * Everything about the one who asks (id, deadline, tenant, headers) lives in the Call.
 */
export interface InferRequest {
  readonly model: ModelRef;
  readonly task: Task;
  /** TensorFlow's word for one of several functions of a model. */
  readonly signature?: string;
  readonly inputs: readonly Tensor[];
  /** The outputs wanted, in the order wanted; all of them when absent. */
  readonly outputs?: readonly RequestedOutput[];
  readonly parameters: Parameters;
  /** The caller can take a stream of answers. */
  readonly stream: boolean;
}

export interface InferResponse {
  readonly kind: "whole";
  readonly model: ResolvedModel;
  readonly outputs: readonly Tensor[];
  readonly parameters: Parameters;
}

/** What comes back of a question about the way of a request: nobody was asked, so there are no outputs. */
export function unasked({ name, version }: ResolvedModel): InferResponse {
  return { kind: "whole", model: { name, version }, outputs: [], parameters: NO_PARAMETERS };
}

/** Answers as they come. It ends once; whoever holds a permit, a count or a timer lets go when the iterator ends. */
export interface InferStream {
  readonly kind: "stream";
  readonly parts: AsyncIterable<InferResponse>;
}

export type Reply = InferResponse | InferStream;

/** The model and version as a person writes it: `digits`, `digits version 2`, `digits label stable`. */
export function describe(model: ModelRef): string {
  const { name, select } = model;
  if (select.by === "version") return `model "${name}" version ${select.version}`;
  if (select.by === "label") return `model "${name}" label ${select.label}`;
  return `model "${name}"`;
}

/** The same reply with its model renamed, whole or stream: a logical model answers under its own name. */
export function answerAs(reply: Reply, model: ResolvedModel): Reply {
  if (reply.kind === "whole") return { ...reply, model };
  return { kind: "stream", parts: renameParts(reply.parts, model) };
}

async function* renameParts(parts: AsyncIterable<InferResponse>, model: ResolvedModel): AsyncGenerator<InferResponse> {
  for await (const part of parts) yield { ...part, model };
}

/** The same parts; `ended` hears once how they ended, with undefined also when the reader stopped early. */
export async function* whenEnded<T>(parts: AsyncIterable<T>, ended: (error: unknown) => void): AsyncGenerator<T> {
  let fault: unknown;
  try {
    yield* parts;
  } catch (error) {
    fault = error;
    throw error;
  } finally {
    ended(fault);
  }
}
