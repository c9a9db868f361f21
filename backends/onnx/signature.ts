// What a model takes and gives: the session's own words, completed by the graph's.

import { InferError } from "../../core/error.ts";
import type { TensorSpec } from "../../core/model.ts";
import { isOrtDatatype } from "./datatypes.ts";
import type { GraphFacts } from "./graph.ts";
import type { SessionFacts } from "./messages.ts";

export interface Signature {
  /** What must be given. */
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Inputs with a default: they are left out, since onnxruntime-node cannot override them. */
  readonly defaults: ReadonlySet<string>;
  /** Names whose graph says no rank: they take any shape, though metadata has to say one. */
  readonly anyRank: ReadonlySet<string>;
  readonly batchDim: 0 | undefined;
  /** See `GraphFacts.random`. */
  readonly random?: true;
}

/**
 * The signature of a loaded session. The session hides inputs with a default, and tells an unknown rank as the shape of a
 * scalar: the graph is asked for both.
 */
export function signatureOf(facts: SessionFacts, graph: GraphFacts): Signature {
  const anyRank = new Set([...graph.inputs, ...graph.outputs].filter((value) => value.shape === undefined).map(nameOf));
  const shaped = (value: TensorSpec): TensorSpec => (anyRank.has(value.name) ? { ...value, shape: [-1] } : value);
  const given = new Set(facts.inputs.map(nameOf));
  const defaults = graph.inputs.map(nameOf).filter((name) => graph.defaults.has(name) && !given.has(name));
  const values = [...facts.inputs, ...facts.outputs];
  const rows = values.every((value) => value.shape[0] === -1 && !anyRank.has(value.name));
  return {
    inputs: facts.inputs.map(shaped),
    outputs: facts.outputs.map(shaped),
    defaults: new Set(defaults),
    anyRank,
    batchDim: rows && facts.inputs.length > 0 ? 0 : undefined,
    ...(graph.random === undefined ? {} : { random: graph.random }),
  };
}

/**
 * Refuses what the binding would refuse less clearly.
 *
 * @throws InferError unsupported naming the input or output, and its datatype
 */
export function checkGraph(graph: GraphFacts): void {
  for (const [side, values] of [["input", graph.inputs] as const, ["output", graph.outputs] as const]) {
    for (const { name, datatype } of values) {
      if (datatype === undefined || isOrtDatatype(datatype)) continue;
      throw new InferError("unsupported", `${side} "${name}" is ${datatype}, which onnxruntime-node does not support`);
    }
  }
}

function nameOf(value: { readonly name: string }): string {
  return value.name;
}
