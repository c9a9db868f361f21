// TensorFlow's Examples, as Classify and Regress take them: serialized, and as tensors of features.

import { InferError, invalid } from "../core/error.ts";
import { bytesElements, ELEMENT_BYTES, elementCount, joinBytesElements, type Tensor } from "../core/tensor.ts";
import { BYTES, FLOAT, INT64, many, mapOf, maybe, message, TEXT, type ValueOf } from "./protobuf-table.ts";
import { isDue, type Pace, type Sliced } from "./sliced.ts";

// Source: tensorflow/core/example/feature.proto, example.proto.
const feature = message({
  bytes_list: maybe(1, message({ value: many(1, BYTES) })),
  float_list: maybe(2, message({ value: many(1, FLOAT) })),
  int64_list: maybe(3, message({ value: many(1, INT64) })),
});

// tensorflow.Example; a list, because two messages one behind the other are one whose features are those of both
const exampleMessage = message({ features: many(1, message({ feature: mapOf(1, TEXT, feature) })) });

/** The values of one feature: one of three lists, or none. */
export type Feature = ValueOf<typeof feature>;

/** The features of a serialized Example. @throws InferError invalid-argument for bytes that are none */
export function featuresIn(example: Uint8Array): ReadonlyMap<string, Feature> {
  const parts = exampleMessage.decode(example).features;
  return parts.length === 1 && parts[0] !== undefined
    ? parts[0].feature
    : new Map(parts.flatMap((part) => [...part.feature]));
}

/** A serialized Example of these features. */
export function exampleWith(features: ReadonlyMap<string, Feature>): Uint8Array {
  return exampleMessage.encode({ features: [{ feature: features }] });
}

/** The input that holds serialized Examples. Source: tensorflow/core/kernels, kClassifyInputs and kRegressInputs. */
export const EXAMPLES_INPUT = "inputs";

/** Serialized Examples as the one input that a classify or regress signature has: BYTES of shape [n]. */
export function* examplesTensor(examples: readonly Uint8Array[], pace: Pace): Sliced<Tensor> {
  const total = examples.reduce((sum, { byteLength }) => sum + 4 + byteLength, 0);
  const data = Buffer.allocUnsafeSlow(total);
  let at = 0;
  for (const example of examples) {
    at = data.writeUInt32LE(example.byteLength, at);
    for (let from = 0; from < example.byteLength; from += COPY_BYTES) {
      const piece = example.subarray(from, from + COPY_BYTES);
      data.set(piece, at + from);
      if (isDue(pace, EXAMPLE_COST + piece.byteLength / 16)) yield;
    }
    at += example.byteLength;
  }
  return { name: EXAMPLES_INPUT, datatype: "BYTES", shape: [examples.length], data };
}

/** Copied in one go: a few hundredths of a millisecond. */
const COPY_BYTES = 256 * 1024;
/** What an example costs beside its bytes, in the bytes of text that a slice is counted in. */
const EXAMPLE_COST = 16;

/**
 * The Examples that a request's inputs stand for. One input `inputs` of BYTES with one dimension holds them serialized;
 * else every input is a feature and its first dimension counts the Examples.
 *
 * @throws InferError invalid-argument for inputs that differ in their rows, unsupported for a datatype that no feature has
 */
export function* examplesOf(inputs: readonly Tensor[], pace: Pace): Sliced<readonly Uint8Array[]> {
  const [first] = inputs;
  if (first === undefined) throw invalid("expected Examples or features as inputs, got none");
  const isSerialized = inputs.length === 1 && first.name === EXAMPLES_INPUT && first.datatype === "BYTES";
  if (isSerialized && first.shape.length === 1) return [...bytesElements(first.data)];
  const rows = rowsOf(inputs);
  const columns = inputs.map((tensor) => [tensor.name, featuresOf(tensor, rows)] as const);
  const examples: Uint8Array[] = [];
  for (let row = 0; row < rows; row++) {
    const values = new Map(columns.map(([name, next]) => [name, next()]));
    examples.push(exampleWith(values));
    if (isDue(pace, 64 * columns.length)) yield;
  }
  return examples;
}

function rowsOf(inputs: readonly Tensor[]): number {
  let rows: number | undefined;
  for (const { name, shape } of inputs) {
    const [size] = shape;
    if (size === undefined)
      throw invalid(`input "${name}": expected a first dimension that counts the examples, got a scalar`);
    if (rows !== undefined && rows !== size) throw invalid(`input "${name}": expected ${rows} rows, got ${size}`);
    rows = size;
  }
  return rows ?? 0;
}

// Gives the feature of one row after the other.
function featuresOf(tensor: Tensor, rows: number): () => Feature {
  const { name, datatype, shape, data } = tensor;
  const each = rows === 0 ? 0 : elementCount(shape.slice(1));
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const texts = datatype === "BYTES" ? bytesElements(data) : undefined;
  let at = 0;
  const take = <T>(read: () => T): T[] => Array.from({ length: each }, read);
  const next = () => {
    const from = at;
    at += ELEMENT_BYTES[datatype];
    return from;
  };
  const ints = (read: (from: number) => number | bigint) => () => feature64(take(() => BigInt(read(next()))));
  switch (datatype) {
    case "BYTES":
      return () => ({ ...NO_FEATURE, bytes_list: { value: take(() => texts?.next().value ?? new Uint8Array(0)) } });
    case "FP32":
      return () => ({ ...NO_FEATURE, float_list: { value: take(() => view.getFloat32(next(), true)) } });
    case "BOOL":
      return ints((from) => (view.getUint8(from) === 0 ? 0 : 1));
    case "UINT8":
      return ints((from) => view.getUint8(from));
    case "UINT16":
      return ints((from) => view.getUint16(from, true));
    case "UINT32":
      return ints((from) => view.getUint32(from, true));
    case "INT8":
      return ints((from) => view.getInt8(from));
    case "INT16":
      return ints((from) => view.getInt16(from, true));
    case "INT32":
      return ints((from) => view.getInt32(from, true));
    case "INT64":
      return ints((from) => view.getBigInt64(from, true));
    default:
      throw new InferError(
        "unsupported",
        `input "${name}": a feature is BYTES, FP32, or integers within INT64, got ${datatype}`,
      );
  }
}

const NO_FEATURE: Feature = { bytes_list: undefined, float_list: undefined, int64_list: undefined };

function feature64(value: readonly bigint[]): Feature {
  return { ...NO_FEATURE, int64_list: { value } };
}

/** The Feature that a tensor's elements stand for, in their order. @throws InferError as `examplesOf` */
export function featureOf(tensor: Tensor): Feature {
  const count = elementCount(tensor.shape);
  return featuresOf({ ...tensor, shape: [1, count] }, 1)();
}

/** The answers of Classify as tensors: `classes` BYTES and `scores` FP32, both of shape [examples, classes]. */
export const CLASSES_OUTPUT = "classes";
export const SCORES_OUTPUT = "scores";
/** The answer of Regress as a tensor: FP32 of shape [examples]. */
export const REGRESSION_OUTPUT = "outputs";

/** One class of one example. */
export interface ScoredClass {
  readonly label: string;
  readonly score: number;
}

/** Classifications as tensors. @throws InferError unsupported when examples differ in how many classes they have */
export function classTensors(results: readonly (readonly ScoredClass[])[]): readonly Tensor[] {
  const each = results[0]?.length ?? 0;
  if (results.some((classes) => classes.length !== each)) {
    throw new InferError("unsupported", "the examples have different numbers of classes, which no tensor holds", {
      origin: "backend",
    });
  }
  const shape = [results.length, each];
  const all = results.flat();
  const labels = joinBytesElements(all.map(({ label }) => Buffer.from(label, "utf8")));
  return [
    { name: CLASSES_OUTPUT, datatype: "BYTES", shape, data: labels },
    { name: SCORES_OUTPUT, datatype: "FP32", shape, data: floatBytes(all.map(({ score }) => score)) },
  ];
}

/** Regressions as a tensor. */
export function regressionTensor(values: readonly number[]): Tensor {
  return { name: REGRESSION_OUTPUT, datatype: "FP32", shape: [values.length], data: floatBytes(values) };
}

function floatBytes(values: readonly number[]): Uint8Array {
  const data = new Uint8Array(values.length * 4);
  new Float32Array(data.buffer).set(values);
  return data;
}

/**
 * The classes that an answer's tensors stand for: `classes` and `scores`, or one of them, whose place the other then
 * takes as empty labels or zeros.
 *
 * @throws InferError bad-backend for tensors that are no such answer
 */
export function classesOf(outputs: readonly Tensor[]): readonly (readonly ScoredClass[])[] {
  const classes = outputs.find(({ name, datatype }) => name === CLASSES_OUTPUT && datatype === "BYTES");
  const scores = outputs.find(({ name, datatype }) => name === SCORES_OUTPUT && datatype === "FP32");
  const [rows, each] = (classes ?? scores)?.shape ?? [];
  if (rows === undefined || each === undefined) {
    throw new InferError("bad-backend", "expected outputs classes and scores of shape [examples, classes]");
  }
  const labels = classes === undefined ? undefined : bytesElements(classes.data);
  const view =
    scores === undefined ? undefined : new DataView(scores.data.buffer, scores.data.byteOffset, scores.data.byteLength);
  if (view !== undefined && view.byteLength !== rows * each * 4) {
    throw new InferError("bad-backend", `expected ${rows * each} scores, got ${view.byteLength / 4}`);
  }
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: each }, (_, index) => ({
      label: textOf(labels?.next().value),
      score: view?.getFloat32((row * each + index) * 4, true) ?? 0,
    })),
  );
}

function textOf(bytes: unknown): string {
  if (!(bytes instanceof Uint8Array)) return "";
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

/** The values that an answer's one tensor of FP32 stands for. @throws InferError bad-backend for another answer */
export function regressionsOf(outputs: readonly Tensor[]): readonly number[] {
  const [values, ...others] = outputs;
  if (values?.datatype !== "FP32" || others.length > 0) {
    throw new InferError("bad-backend", "expected one output of FP32 as the answer of a regression");
  }
  const view = new DataView(values.data.buffer, values.data.byteOffset, values.data.byteLength);
  return Array.from({ length: values.data.byteLength / 4 }, (_, index) => view.getFloat32(index * 4, true));
}
