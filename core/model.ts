// What is known about a model: its signature, its versions and their states.

import type { ModelState } from "./event.ts";
import type { Datatype } from "./tensor.ts";

export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  /** Sizes of the dimensions; -1 where any size is taken. */
  readonly shape: readonly number[];
  /** Names of an output's values by their place, for classification. */
  readonly labels?: readonly string[];
  /** The model has a default for this input: it may be left out. */
  readonly optional?: boolean;
}

/** What a model takes and gives, as far as the config or a server tells it. */
export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** The dimension along which rows may be joined (0), or absent where there is none. */
  readonly batchDim?: 0;
}

/** One of several signatures of a model. */
export interface NamedSignature extends Signature {
  /** What it does, in TensorFlow's words: `tensorflow/serving/predict`. */
  readonly method: string;
}

export interface ModelMetadata extends Signature {
  readonly name: string;
  readonly version: string;
  /** Every version that can be asked for now, oldest first. */
  readonly versions: readonly string[];
  /** Triton's words: `onnxruntime_onnx`, `tensorflow_savedmodel` ... */
  readonly platform: string;
  /** The model keeps state between requests of a sequence. */
  readonly stateful: boolean;
  /** All that the model can be asked by name, the usual one among them; absent where there is one only. */
  readonly signatures?: ReadonlyMap<string, NamedSignature>;
  /** A request may have any number of answers, as a stream. */
  readonly decoupled?: boolean;
  /** Equal requests may have different answers. */
  readonly random?: boolean;
  /** A hash of what the model is made of, where it can be known: equal artifacts give equal answers. */
  readonly artifact?: string;
}

/**
 * What a version is made of now, as far as it can be known: equal `id`s promise equal answers. The same object is told for as
 * long as nothing is loaded or may have been; also what has the same `id` again is another object then.
 */
export interface Identity {
  readonly id: string;
  /** It means the same in other processes: a hash of files, not a count of what was seen here. */
  readonly portable: boolean;
}

export interface ModelStatus {
  readonly name: string;
  readonly version: string;
  readonly state: ModelState;
  /** Why it is not ready, in words for the operator. */
  readonly reason?: string;
}

/** The models that a backend has now: a live view, cheap to read on every request. */
export interface Catalog {
  /** Every version known, ready or not, by model name and then from old to new. */
  list(): readonly ModelStatus[];
  /** The ready versions of a model, from old to new; undefined for a model that the backend does not know. */
  ready(model: string): readonly string[] | undefined;
  /** The version behind a label, where the backend's own repository declares labels. */
  label(model: string, label: string): string | undefined;
  onChange(listener: () => void): () => void;
}

/** Orders versions: numbers, and numbers with dots such as 1.10, by value, then everything else by its text. */
export function compareVersions(a: string, b: string): number {
  const [isA, isB] = [NUMBERS.test(a), NUMBERS.test(b)];
  if (isA && isB) return compareNumbers(a.split("."), b.split("."));
  if (isA !== isB) return isA ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

const NUMBERS = /^\d+(\.\d+)*$/;

// 1 comes before 1.0
function compareNumbers(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
    const [x, y] = [BigInt(a[i] as string), BigInt(b[i] as string)];
    if (x !== y) return x < y ? -1 : 1;
  }
  return a.length - b.length;
}
