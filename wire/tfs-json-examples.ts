// TensorFlow Serving's :classify and :regress over REST: requests and answers, both ways.

import { InferError, invalid } from "../core/error.ts";
import { joinBytesElements, type Tensor } from "../core/tensor.ts";
import { readDouble } from "./json-number.ts";
import { readValue } from "./json-rows.ts";
import { type WriteRows, writeValue } from "./json-rows-write.ts";
import {
  excerpt,
  expectByte,
  firstItem,
  firstKey,
  isSliceOver,
  nextItem,
  nextKey,
  readText,
  type Scanner,
  STEP_BYTES,
  skipSpace,
  spend,
} from "./json-scan.ts";
import { finishWriter, type JsonWriter, openWriter, put, putString } from "./json-write.ts";
import { type DecodeOptions, readBody, readString } from "./oip-json.ts";
import { isDue, openPace, type Pace, type Sliced, type SliceOptions } from "./sliced.ts";
import { tfsFloatText } from "./tfs-decimals.ts";
import { classTensors, exampleWith, type Feature, featureOf, featuresIn, type ScoredClass } from "./tfs-examples.ts";

/** What a request's body says. */
export interface TfsExamplesRequest {
  /** Absent for the default. */
  readonly signature?: string;
  /** Serialized; the context's features are in each of them. */
  readonly examples: readonly Uint8Array[];
}

/**
 * Reads a request. Integers are int64 features, other numbers floats, strings and b64 bytes, true and false 1 and 0.
 *
 * @throws InferError invalid-argument for whatever is malformed
 */
export function* decodeExamplesRequest(body: Uint8Array, options: DecodeOptions): Sliced<TfsExamplesRequest> {
  const read: ReadRequest = { signature: undefined, context: undefined, examples: undefined };
  yield* readBody(body, options, (s, key) => readRequestMember(s, key, read));
  const { signature, context, examples } = read;
  if (examples === undefined || examples.length === 0) throw invalid("examples: expected a list of examples, got none");
  return {
    // two messages one behind the other are one: an example's own features hold, as TF Serving has it
    examples: context === undefined ? examples : examples.map((example) => Buffer.concat([context, example])),
    ...(signature === undefined || signature === "" ? {} : { signature }),
  };
}

/** The members of a request as far as they have been read. */
interface ReadRequest {
  signature: string | undefined;
  context: Uint8Array | undefined;
  examples: readonly Uint8Array[] | undefined;
}

// not inside its caller: see core/chain.ts
function* readRequestMember(s: Scanner, key: string, read: ReadRequest): Sliced<boolean> {
  if (key === "signature_name") read.signature = readString(s, "signature_name");
  else if (key === "context") read.context = yield* readExample(s, "context", 1);
  else if (key === "examples") read.examples = yield* readExamples(s);
  else return false;
  return true;
}

function* readExamples(s: Scanner): Sliced<Uint8Array[]> {
  const examples: Uint8Array[] = [];
  for (let more = firstItem(s, "a list of examples"); more; more = nextItem(s)) {
    examples.push(yield* readExample(s, `examples[${examples.length}]`, 2));
  }
  return examples;
}

/** Features that an example has at most; each is a field of the message. */
const MAX_FEATURES = 16_384;

function* readExample(s: Scanner, label: string, depth: number): Sliced<Uint8Array> {
  const features = new Map<string, Feature>();
  if (skipSpace(s) !== 0x7b) throw invalid(`${label}: expected an object of features, got ${excerpt(s, s.at)}`);
  for (let key = firstKey(s, "an object"); key !== undefined; key = nextKey(s)) {
    if (features.size === MAX_FEATURES) throw invalid(`${label}: expected at most ${MAX_FEATURES} features, got more`);
    const name = `feature "${key}" of ${label}`;
    const tensor = yield* readValue(s, { spec: { name: key }, label: name, depth: depth + 1 });
    if (tensor.shape.length > 1) throw invalid(`${name}: expected a value or a list, got a nested list`);
    features.set(key, featureOf(tensor));
    spend(s, STEP_BYTES);
    if (isSliceOver(s)) yield;
  }
  return exampleWith(features);
}

/** Writes a request. @throws InferError invalid-argument for bytes that are no Example */
export function* encodeExamplesRequest(
  request: TfsExamplesRequest,
  options: SliceOptions = {},
): Sliced<readonly Uint8Array[]> {
  const w = openWriter();
  const pace = openPace(options);
  put(w, "{");
  if (request.signature !== undefined) {
    put(w, '"signature_name":');
    putString(w, request.signature);
    put(w, ",");
  }
  put(w, '"examples":');
  let before = "[";
  for (const example of request.examples) {
    put(w, before);
    yield* writeExample(w, example, pace);
    before = ",";
  }
  put(w, before === "[" ? "[]}" : "]}");
  return finishWriter(w).parts;
}

function* writeExample(w: JsonWriter, example: Uint8Array, pace: Pace): Sliced<void> {
  let before = "{";
  for (const [name, feature] of featuresIn(example)) {
    put(w, before);
    putString(w, name);
    put(w, ":");
    yield* writeFeature(w, { name, feature }, pace);
    before = ",";
    if (isDue(pace, STEP_BYTES)) yield;
  }
  put(w, before === "{" ? "{}" : "}");
}

function* writeFeature(
  w: JsonWriter,
  { name, feature }: { readonly name: string; readonly feature: Feature },
  pace: Pace,
): Sliced<void> {
  const tensor = tensorOf(name, feature);
  if (tensor === undefined) {
    put(w, "[]");
    return;
  }
  // a float keeps its fraction: without one it would be an integer to TF Serving
  const how: WriteRows = { word: "input", pace, form: "bare", floats: "fraction", bytes: "either" };
  yield* writeValue(w, tensor, how);
}

function tensorOf(name: string, { bytes_list, float_list, int64_list }: Feature): Tensor | undefined {
  const values = bytes_list?.value ?? float_list?.value ?? int64_list?.value ?? [];
  if (values.length === 0) return undefined;
  const shape = [values.length];
  if (bytes_list !== undefined) return { name, datatype: "BYTES", shape, data: joinBytesElements(bytes_list.value) };
  const isFloat = float_list !== undefined;
  const data = new Uint8Array(values.length * (isFloat ? 4 : 8));
  if (isFloat) new Float32Array(data.buffer).set(float_list.value);
  else new BigInt64Array(data.buffer).set(int64_list?.value ?? []);
  return { name, datatype: isFloat ? "FP32" : "INT64", shape, data };
}

/**
 * Reads a backend's answer to `:classify`: `classes` BYTES and `scores` FP32, both of shape [examples, classes].
 *
 * @throws InferError bad-backend for whatever is malformed
 */
export function* decodeClassifyResponse(body: Uint8Array, options: DecodeOptions): Sliced<readonly Tensor[]> {
  return classTensors(yield* readAnswer(body, options, readClasses));
}

/**
 * Reads a backend's answer to `:regress`: `outputs` FP32 of shape [examples].
 *
 * @throws InferError bad-backend for whatever is malformed
 */
export function* decodeRegressResponse(body: Uint8Array, options: DecodeOptions): Sliced<readonly Tensor[]> {
  return [yield* readAnswer(body, options, readOutputs)];
}

function* readAnswer<T>(body: Uint8Array, options: DecodeOptions, read: (s: Scanner) => Sliced<T>): Sliced<T> {
  const answer: ReadAnswer<T> = { read, results: undefined };
  try {
    yield* readBody(body, options, (s, key) => readAnswerMember(s, key, answer));
    if (answer.results === undefined) throw invalid("expected results, got none");
    return answer.results.value;
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    throw new InferError("bad-backend", `the backend's answer cannot be read: ${error.message}`, { cause: error });
  }
}

/** An answer as far as it has been read. */
interface ReadAnswer<T> {
  readonly read: (s: Scanner) => Sliced<T>;
  results: { readonly value: T } | undefined;
}

function* readAnswerMember<T>(s: Scanner, key: string, answer: ReadAnswer<T>): Sliced<boolean> {
  // TF Serving's documentation says `result`
  if (key !== "results" && key !== "result") return false;
  answer.results = { value: yield* answer.read(s) };
  return true;
}

function readOutputs(s: Scanner): Sliced<Tensor> {
  const spec = { name: "outputs", datatype: "FP32", shape: [-1] } as const;
  return readValue(s, { spec, label: "results", depth: 1 });
}

function* readClasses(s: Scanner): Sliced<readonly (readonly ScoredClass[])[]> {
  const results: (readonly ScoredClass[])[] = [];
  for (let more = firstItem(s, "a list of classifications"); more; more = nextItem(s)) {
    const classes: ScoredClass[] = [];
    for (let another = firstItem(s, "a list of classes"); another; another = nextItem(s)) {
      classes.push(readClass(s));
      spend(s, STEP_BYTES);
      if (isSliceOver(s)) yield;
    }
    results.push(classes);
  }
  return results;
}

function readClass(s: Scanner): ScoredClass {
  expectByte(s, 0x5b, "[");
  if (skipSpace(s) !== 0x22) throw invalid(`expected a label, got ${excerpt(s, s.at)}`);
  const label = readText(s);
  expectByte(s, 0x2c, ",");
  skipSpace(s);
  const score = readDouble(s);
  if (score === undefined) throw invalid(`expected a score, got ${excerpt(s, s.at)}`);
  expectByte(s, 0x5d, "]");
  return { label, score };
}

/** Writes an answer to `:classify`. */
export function encodeClassifyResponse(results: readonly (readonly ScoredClass[])[]): readonly Uint8Array[] {
  const w = openWriter();
  put(w, '{"results":[');
  for (const [row, classes] of results.entries()) {
    put(w, row === 0 ? "[" : ",[");
    for (const [index, { label, score }] of classes.entries()) {
      put(w, index === 0 ? "[" : ",[");
      putString(w, label);
      put(w, `,${scoreText(score)}]`);
    }
    put(w, "]");
  }
  put(w, "]}");
  return finishWriter(w).parts;
}

/** Writes an answer to `:regress`. */
export function encodeRegressResponse(values: readonly number[]): readonly Uint8Array[] {
  const w = openWriter();
  put(w, `{"results":[${values.map(scoreText).join(",")}]}`);
  return finishWriter(w).parts;
}

function scoreText(value: number): string {
  return Number.isFinite(value) ? tfsFloatText(value, "FP32") : String(value);
}
