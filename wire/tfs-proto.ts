// TensorFlow Serving's Predict messages over gRPC: requests and answers, both ways.

import { InferError, invalid } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import { MAX_FIELDS, openNested, openReader, type ProtoReader, readFields, readText, WIRE } from "./protobuf.ts";
import { type Assembly, finishAssembly, openAssembly, putNested } from "./protobuf-assembly.ts";
import { INT64, maybe, message, one, TEXT } from "./protobuf-table.ts";
import { openPace, type Pace, type Sliced, type SliceOptions } from "./sliced.ts";
import { readTensorProto, type TensorProtoForm, writeTensorProto } from "./tfs-proto-tensor.ts";

/** Which model, version and signature a message means. */
export interface ModelSpec {
  readonly name: string;
  /** Absent for the newest; a version of 0, which one real client sends for that, counts as absent. */
  readonly version?: bigint;
  readonly label?: string;
  /** Empty for the default. */
  readonly signature: string;
}

/** What PredictRequest says. */
export interface TfsProtoRequest {
  /** Absent where the message has none, which TF Serving refuses. */
  readonly model?: ModelSpec;
  readonly inputs: readonly Tensor[];
  /** The names of the outputs wanted; empty for all. */
  readonly outputs: readonly string[];
}

/** What PredictResponse says. */
export interface TfsProtoResponse {
  readonly model?: ModelSpec;
  readonly outputs: readonly Tensor[];
}

export interface TfsProtoOptions extends SliceOptions {
  /** Inputs of a request, outputs of an answer. */
  readonly maxTensors: number;
}

// Source: tensorflow_serving/apis/model.proto; the version is a google.protobuf.Int64Value.
const specMessage = message({
  name: one(1, TEXT),
  version: maybe(2, message({ value: one(1, INT64) })),
  signature_name: one(3, TEXT),
  version_label: maybe(4, TEXT),
});

/** ModelSpec as a kind of the messages that hold one. */
export const MODEL_SPEC = specMessage;

/** Our words for a ModelSpec. */
export function specOf(read: ReturnType<typeof specMessage.decode>): ModelSpec {
  const version = read.version?.value;
  return {
    name: read.name,
    signature: read.signature_name,
    ...(version === undefined || version === 0n ? {} : { version }),
    ...(read.version_label === undefined || read.version_label === "" ? {} : { label: read.version_label }),
  };
}

/** TF Serving's words for a ModelSpec of ours. */
export function wireSpec(model: ModelSpec) {
  return {
    name: model.name,
    version: model.version === undefined ? undefined : { value: model.version },
    signature_name: model.signature,
    version_label: model.label,
  };
}

/**
 * Reads PredictRequest. Tensors whose bytes stand together are views of the message.
 *
 * @throws InferError invalid-argument for whatever is malformed, and what `readTensorProto` throws
 */
export function* decodeRequest(body: Uint8Array, options: TfsProtoOptions): Sliced<TfsProtoRequest> {
  const { model, tensors, filter } = yield* readPredict(body, options, {
    tensors: 2,
    model: 1,
    filter: 3,
    word: "input",
  });
  return { inputs: tensors, outputs: filter, ...(model === undefined ? {} : { model }) };
}

/**
 * Reads PredictResponse.
 *
 * @throws InferError bad-backend for whatever is malformed
 */
export function* decodeResponse(body: Uint8Array, options: TfsProtoOptions): Sliced<TfsProtoResponse> {
  try {
    const fields = { tensors: 1, model: 2, filter: 0, word: "output" } as const;
    const { model, tensors } = yield* readPredict(body, options, fields);
    return { outputs: tensors, ...(model === undefined ? {} : { model }) };
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    throw new InferError("bad-backend", `the backend's answer cannot be read: ${error.message}`, { cause: error });
  }
}

/** Where the two messages have what. Source: tensorflow_serving/apis/predict.proto. */
interface PredictFields {
  readonly tensors: number;
  readonly model: number;
  readonly filter: number;
  readonly word: "input" | "output";
}

function* readPredict(body: Uint8Array, options: TfsProtoOptions, fields: PredictFields) {
  const { maxTensors } = options;
  const { word } = fields;
  const budget = { left: MAX_FIELDS };
  const filter: string[] = [];
  const entries = new Map<string, Uint8Array>();
  let model: ModelSpec | undefined;
  const reader = openReader(body);
  readFields(reader, budget, (field, wire) => {
    if (wire !== WIRE.bytes) return false;
    if (field === fields.tensors) readEntry(openNested(reader), entries);
    else if (field === fields.model) model = specOf(specMessage.read(reader, budget));
    else if (field === fields.filter) filter.push(readText(reader));
    else return false;
    if (entries.size > maxTensors) throw invalid(`expected at most ${maxTensors} ${word}s, got more`);
    if (filter.length > maxTensors) throw invalid(`expected at most ${maxTensors} outputs, got more`);
    return true;
  });
  const pace = openPace(options);
  const tensors: Tensor[] = [];
  for (const [name, proto] of entries) {
    tensors.push(yield* readTensorProto(proto, { name, label: `${word} "${name}"`, pace }));
  }
  return { model, tensors, filter };
}

// An entry of map<string, TensorProto>; the last one of a name holds.
function readEntry(reader: ProtoReader, entries: Map<string, Uint8Array>): void {
  let name = "";
  let proto = new Uint8Array(0);
  readFields(reader, { left: MAX_FIELDS }, (field, wire) => {
    if (wire !== WIRE.bytes) return false;
    if (field === 1) name = readText(reader);
    else if (field === 2) proto = reader.bytes() as Uint8Array<ArrayBuffer>;
    else return false;
    return true;
  });
  entries.set(name, proto);
}

/** Writes PredictRequest, its tensors as `tensor_content` unless another form is said. */
export function* encodeRequest(
  request: TfsProtoRequest,
  options: SliceOptions & { readonly form?: TensorProtoForm } = {},
): Sliced<Uint8Array> {
  const pace = openPace(options);
  const body = openAssembly();
  putModel(body, 1, request.model);
  yield* putTensors(body, request.inputs, { field: 2, word: "input", form: options.form ?? "content", pace });
  for (const name of request.outputs) body.writer.uint32((3 << 3) | WIRE.bytes).string(name);
  return yield* finishAssembly(body, pace);
}

/** Writes PredictResponse, its tensors with typed values, as TF Serving does, unless another form is said. */
export function* encodeResponse(
  response: TfsProtoResponse,
  options: SliceOptions & { readonly form?: TensorProtoForm } = {},
): Sliced<Uint8Array> {
  const pace = openPace(options);
  const body = openAssembly();
  yield* putTensors(body, response.outputs, { field: 1, word: "output", form: options.form ?? "typed", pace });
  putModel(body, 2, response.model);
  return yield* finishAssembly(body, pace);
}

function putModel(body: Assembly, field: number, model: ModelSpec | undefined): void {
  if (model === undefined) return;
  body.writer.uint32((field << 3) | WIRE.bytes);
  specMessage.write(body.writer, wireSpec(model));
}

interface PutTensors {
  readonly field: number;
  readonly word: "input" | "output";
  readonly form: TensorProtoForm;
  readonly pace: Pace;
}

function* putTensors(body: Assembly, tensors: readonly Tensor[], how: PutTensors): Sliced<void> {
  for (const tensor of tensors) {
    const entry = openAssembly();
    entry.writer.uint32((1 << 3) | WIRE.bytes).string(tensor.name);
    const context = { label: `${how.word} "${tensor.name}"`, pace: how.pace };
    putNested(entry, 2, yield* writeTensorProto(tensor, how.form, context));
    putNested(body, how.field, entry);
  }
}
