// The signatures of a TensorFlow model and the states of its versions, whichever form they came in.

import { InferError } from "../core/error.ts";
import type { ModelState } from "../core/event.ts";
import type { ModelMetadata, ModelStatus, NamedSignature, Signature, TensorSpec } from "../core/model.ts";
import type { Datatype } from "../core/tensor.ts";
import { wordOfDatatype } from "./tfs-datatypes.ts";

/** One input or output of a signature. */
export interface TfsTensorInfo {
  readonly name: string;
  /** Undefined for a datatype that we do not have; `dtype` is its word. */
  readonly datatype: Datatype | undefined;
  readonly dtype: string;
  /** -1 for a size that is not known; undefined when not even the rank is. */
  readonly shape: readonly number[] | undefined;
}

export interface TfsSignature {
  readonly inputs: readonly TfsTensorInfo[];
  readonly outputs: readonly TfsTensorInfo[];
  /** `tensorflow/serving/predict`, `.../classify`, `.../regress`. */
  readonly method: string;
}

/** What GetModelMetadata and `GET .../metadata` tell. */
export interface TfsMetadata {
  readonly name: string;
  readonly version: string;
  readonly signatures: ReadonlyMap<string, TfsSignature>;
}

/** One version of a model as its status tells it. */
export interface TfsVersionStatus {
  readonly version: string;
  /** START, LOADING, AVAILABLE, UNLOADING or END. */
  readonly state: string;
  /** Why it is in that state; empty where all is well. */
  readonly message: string;
}

/** The signature that is meant when none is named. */
export const DEFAULT_SIGNATURE = "serving_default";

/**
 * The signature in the words of the house, its tensors by their names: TensorFlow has them in maps, whose order is another
 * one in every process.
 *
 * @throws InferError unsupported for a tensor of a datatype that we do not have
 */
export function signatureOf(signature: TfsSignature): Signature {
  const inputs = byName(signature.inputs).map((info) => specOf(info, "input"));
  const outputs = byName(signature.outputs).map((info) => specOf(info, "output"));
  const all = [...signature.inputs, ...signature.outputs];
  const hasRows = inputs.length > 0 && all.every(({ shape }) => shape?.[0] === -1);
  return { inputs, outputs, ...(hasRows ? { batchDim: 0 as const } : {}) };
}

/** The same by their names, in the order of their characters' codes, as TF Serving writes them. */
export function byName<T extends { readonly name: string }>(named: readonly T[]): readonly T[] {
  return named.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function specOf({ name, datatype, dtype, shape }: TfsTensorInfo, word: string): TensorSpec {
  if (datatype === undefined) throw new InferError("unsupported", `${word} "${name}": ${dtype} is not supported`);
  // an unknown rank takes any shape, though metadata has to say one
  return { name, datatype, shape: shape ?? [-1] };
}

/** All signatures of a model in TensorFlow's words, the usual one under the name that is meant when none is named. */
export function tfsSignaturesOf(model: ModelMetadata): ReadonlyMap<string, TfsSignature> {
  const named = [...(model.signatures ?? [])].map(([name, one]) => [name, tfsSignatureOf(one)] as const);
  const all = new Map(named);
  return all.has(DEFAULT_SIGNATURE) ? all : all.set(DEFAULT_SIGNATURE, tfsSignatureOf(model));
}

/** A signature of the house in TensorFlow's words. */
export function tfsSignatureOf({
  inputs,
  outputs,
  method = PREDICT_METHOD,
}: Signature & Partial<NamedSignature>): TfsSignature {
  const info = ({ name, datatype, shape }: TensorSpec): TfsTensorInfo => {
    return { name, datatype, dtype: wordOfDatatype(datatype), shape };
  };
  return { inputs: inputs.map(info), outputs: outputs.map(info), method };
}

/** The method of a signature that Predict runs. */
export const PREDICT_METHOD = "tensorflow/serving/predict";

const STATES: ReadonlyMap<string, ModelState> = new Map([
  ["START", "loading"],
  ["LOADING", "loading"],
  ["AVAILABLE", "ready"],
  ["UNLOADING", "unloading"],
]);

/** A version's state in the words of the house. */
export function statusOf(name: string, { version, state, message }: TfsVersionStatus): ModelStatus {
  const known = STATES.get(state) ?? "unavailable";
  const reason = message === "" ? state.toLowerCase() : message;
  return { name, version, state: known, ...(known === "ready" ? {} : { reason }) };
}

const WORDS: Readonly<Record<ModelState, string>> = {
  loading: "LOADING",
  ready: "AVAILABLE",
  unloading: "UNLOADING",
  unavailable: "END",
};

/** The state of one of our versions in TF Serving's words. */
export function tfsStatusOf({ version, state, reason }: ModelStatus): TfsVersionStatus {
  return { version, state: WORDS[state], message: state === "ready" ? "" : (reason ?? "") };
}
