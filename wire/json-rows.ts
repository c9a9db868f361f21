// The JSON of row protocols (TF Serving, KServe v1, TorchServe, BentoML ...): values of any nesting, rows and columns, to and from tensors.

import type { TensorSpec } from "../core/model.ts";
import type { Datatype, Tensor } from "../core/tensor.ts";
import type { Scanner } from "./json-scan.ts";
import type { JsonWriter } from "./json-write.ts";
import type { Pace, Sliced } from "./sliced.ts";

/** What is known of a tensor before it is read; a `TensorSpec` is one. What is absent is found out from the text. */
export type RowSpec = Pick<TensorSpec, "name" | "optional"> & {
  readonly datatype?: Datatype;
  /** With its batch dimension, where it has one; -1 where any size is taken. Absent: any shape. */
  readonly shape?: readonly number[];
};

/** Where a value stands, and what is known of it. */
export interface ReadOne {
  readonly spec: RowSpec;
  /** `input "x"`: how errors name it. */
  readonly label: string;
  /** How many arrays and objects are open around the value: 1 for a member of the body's object. */
  readonly depth: number;
}

/** What is known of several tensors that stand in one value. */
export interface ReadMany {
  /** How errors name a tensor. */
  readonly word: "input" | "output";
  /** How errors name the value: `instances`, `predictions`. */
  readonly label: string;
  readonly depth: number;
  /** The tensors of the signature; absent where nothing is known and types are inferred. */
  readonly specs?: readonly RowSpec[];
  /** The name of the one tensor of bare values when there are no specs. */
  readonly bareName: string;
  /** What becomes of a name that no spec has: `refuse` when absent, `skip`, or `infer` to read it like an unknown one. */
  readonly extra?: "refuse" | "skip" | "infer";
  /** Names beyond this are refused. */
  readonly maxTensors: number;
}

/** Tensors as they stood: in the specs' order, else in that of the text. */
export interface ReadTensors {
  readonly tensors: readonly Tensor[];
  /** `bare`: the one tensor without a name; `named`: objects of named values. */
  readonly form: "bare" | "named";
}

/** How tensors are written. */
export interface WriteRows {
  /** How errors name a tensor. */
  readonly word: "input" | "output";
  readonly pace: Pace;
  /** `named`: objects even for one tensor; `bare`: values without names, for one tensor only. */
  readonly form: "bare" | "named";
  /**
   * FP32 and FP64: `shortest` (absent: this) is the fewest digits that read back to the same bits, `3` for 3.0;
   * `fraction` is the same with `.0` behind whole numbers, so that a reader without types sees floats; `tf-serving` is
   * the text that TF Serving writes.
   */
  readonly floats?: "shortest" | "fraction" | "tf-serving";
  /** NaN and infinities: bare tokens (absent: this), or refused as `unsupported`, naming the element. */
  readonly odd?: "token" | "refuse";
  /**
   * BYTES: `text` (absent: this; refused as `unsupported` where it is no UTF-8), `b64` as `{"b64": ...}`, or `either`:
   * text where the element is UTF-8, else b64.
   */
  readonly bytes?: "text" | "b64" | "either" | ((name: string) => "text" | "b64" | "either");
}

/**
 * Reads one value of any nesting into a tensor: a bare scalar, or arrays within arrays. Its shape is that of its
 * nesting. Numbers, booleans, strings and `{"b64": "..."}` are elements; integers of 64 bits are exact; NaN, Infinity
 * and -Infinity tokens are floats. Without a datatype: true and false BOOL, integers INT64, other numbers FP32, text
 * BYTES.
 *
 * @throws InferError invalid-argument for a ragged value or one that is not the spec's, naming the place; unsupported
 * for FP16 and BF16, which have no JSON form
 */
export function* readValue(_s: Scanner, _one: ReadOne): Sliced<Tensor> {
  throw new Error("being built");
}

/**
 * Reads a list of rows, each a bare value or an object of named values, into one tensor per name with the number of
 * rows as its first dimension. Every row has the same names and shapes. An object whose first name is `b64` is an
 * element, not a row of names, unless a spec is called so.
 *
 * @throws InferError invalid-argument for rows that differ, a name that is missing, unknown or stands twice, and all
 * that `readValue` refuses
 */
export function* readRows(_s: Scanner, _many: ReadMany): Sliced<ReadTensors> {
  throw new Error("being built");
}

/**
 * Reads one value for the only tensor, or an object of one value for each name: columns, whose first dimensions are
 * their own.
 *
 * @throws InferError invalid-argument as `readRows`
 */
export function* readColumns(_s: Scanner, _many: ReadMany): Sliced<ReadTensors> {
  throw new Error("being built");
}

/**
 * Writes tensors as rows: `[1.5, 2.5]`, `[{"a": 1, "b": [2, 3]}, ...]`; the first dimension of each is the number of
 * rows.
 *
 * @throws InferError unsupported when they have no first dimension or differ in it, or for an element that JSON cannot carry
 */
export function* writeRows(_w: JsonWriter, _tensors: readonly Tensor[], _how: WriteRows): Sliced<void> {
  throw new Error("being built");
}

/**
 * Writes tensors as columns: `{"a": [..], "b": [[..]]}`, or the one value itself.
 *
 * @throws InferError unsupported for an element that JSON cannot carry
 */
export function* writeColumns(_w: JsonWriter, _tensors: readonly Tensor[], _how: WriteRows): Sliced<void> {
  throw new Error("being built");
}

/** Writes one tensor nested as its shape says, a scalar bare. @throws InferError unsupported as `writeColumns` */
export function* writeValue(_w: JsonWriter, _tensor: Tensor, _how: WriteRows): Sliced<void> {
  throw new Error("being built");
}
