// In what two signatures of a model differ, in words.

import type { Signature, TensorSpec } from "../../core/model.ts";

/** The first difference from `ours` to `theirs`: a tensor's name, datatype or shape; undefined when there is none. */
export function differenceOf(ours: Signature | undefined, theirs: Signature): string | undefined {
  if (ours === undefined) return undefined;
  return (
    differenceOn("input", ours.inputs, theirs.inputs) ??
    differenceOn("output", ours.outputs, theirs.outputs) ??
    undefined
  );
}

function differenceOn(side: string, ours: readonly TensorSpec[], theirs: readonly TensorSpec[]): string | undefined {
  for (const one of ours) {
    const other = theirs.find(({ name }) => name === one.name);
    if (other === undefined) return `${side} "${one.name}" is in the first only`;
    if (text(one) !== text(other))
      return `${side} "${one.name}" is ${text(one)} in the first, ${text(other)} in the second`;
  }
  const more = theirs.find(({ name }) => !ours.some((one) => one.name === name));
  return more === undefined ? undefined : `${side} "${more.name}" is in the second only`;
}

function text({ datatype, shape }: TensorSpec): string {
  return `${datatype} [${shape.join(",")}]`;
}
