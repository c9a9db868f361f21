// What a model takes and gives: the session's own words, completed by the graph's.

import { InferError } from "../../core/error.ts";
import type { TensorSpec } from "../../core/model.ts";
import { isOrtDatatype } from "./datatypes.ts";
import type { GraphFacts, GraphValue } from "./graph.ts";
import type { SessionFacts } from "./messages.ts";

export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Names whose graph says no rank: they take any shape, though metadata has to say one. */
  readonly anyRank: ReadonlySet<string>;
  readonly batchDim: 0 | undefined;
}

/**
 * The signature of a loaded session. Inputs with a default come last, as optional: the session hides them. The binding
 * tells an unknown rank as the shape of a scalar, so the graph is asked.
 */
export function signatureOf(facts: SessionFacts, graph: GraphFacts): Signature {
  const anyRank = new Set([...graph.inputs, ...graph.outputs].filter((value) => value.shape === undefined).map(nameOf));
  const shaped = (value: TensorSpec): TensorSpec => (anyRank.has(value.name) ? { ...value, shape: [-1] } : value);
  const named = new Set(facts.inputs.map(nameOf));
  const optional = graph.inputs.filter((value) => graph.defaults.has(value.name) && !named.has(value.name));
  const inputs = [...facts.inputs.map(shaped), ...optional.flatMap(optionalSpec)];
  const outputs = facts.outputs.map(shaped);
  const required = [...facts.inputs, ...facts.outputs];
  const rows = required.every((value) => value.shape[0] === -1 && !anyRank.has(value.name));
  return { inputs, outputs, anyRank, batchDim: rows && facts.inputs.length > 0 ? 0 : undefined };
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

function optionalSpec(value: GraphValue): TensorSpec[] {
  if (value.datatype === undefined) return [];
  return [{ name: value.name, datatype: value.datatype, shape: value.shape ?? [-1], optional: true }];
}

function nameOf(value: { readonly name: string }): string {
  return value.name;
}
