// TensorFlow's TensorProto, in both of its forms: typed values, or the bytes of all elements as tensor_content.

import { InferError, invalid } from "../core/error.ts";
import { type Datatype, ELEMENT_BYTES, elementCount, readU32, type Tensor } from "../core/tensor.ts";
import { readContents } from "./oip-proto-contents.ts";
import { writeContents } from "./oip-proto-elements.ts";
import type { ContentsField, ContentsFields } from "./oip-proto-fields.ts";
import { bigintOf, guard, malformed, openReader, type ProtoReader, skipField, WIRE } from "./protobuf.ts";
import { type Assembly, openAssembly, putBytesField, putFields } from "./protobuf-assembly.ts";
import { isDue, type Pace, type Sliced } from "./sliced.ts";
import { datatypeOfNumber, numberOf, wordOfNumber } from "./tfs-datatypes.ts";

// Source: tensorflow/core/framework/tensor.proto.
const DTYPE = 1;
const SHAPE = 2;
const CONTENT = 4;
const INT: ContentsField = { number: 7, name: "int_val", wire: WIRE.varint };
const HALF: ContentsField = { number: 13, name: "half_val", wire: WIRE.varint };
const STRING: ContentsField = { number: 8, name: "string_val", wire: WIRE.bytes };

const FIELDS: ContentsFields = {
  BOOL: { number: 11, name: "bool_val", wire: WIRE.varint },
  UINT8: INT,
  UINT16: INT,
  UINT32: { number: 16, name: "uint32_val", wire: WIRE.varint },
  UINT64: { number: 17, name: "uint64_val", wire: WIRE.varint },
  INT8: INT,
  INT16: INT,
  INT32: INT,
  INT64: { number: 10, name: "int64_val", wire: WIRE.varint },
  FP16: HALF,
  BF16: HALF,
  FP32: { number: 5, name: "float_val", wire: WIRE.fixed32 },
  FP64: { number: 6, name: "double_val", wire: WIRE.fixed64 },
  BYTES: STRING,
};

/** A value that stands for many may not become more bytes than this. */
export const MAX_REPEATED_BYTES = 64 * 1024 * 1024;

/** How a tensor is named, and the pace to keep. */
export interface TensorContext {
  readonly name: string;
  /** `input "x"`: how errors name it. */
  readonly label: string;
  readonly pace: Pace;
}

/**
 * Reads a TensorProto. `tensor_content` and packed floats are views of the message. Fewer values than elements: the last
 * one stands for the rest, or zero where there is none, as TensorFlow has it.
 *
 * @throws InferError invalid-argument for a datatype that is missing, values in another datatype's field or too many,
 * a dimension that is not known; unsupported for datatypes that we do not have; too-large for a value that stands for
 * over 64 MiB
 */
export function* readTensorProto(message: Uint8Array, context: TensorContext): Sliced<Tensor> {
  const head = yield* readHead(message, context);
  const { label, pace, name } = context;
  const datatype = datatypeOfNumber(head.dtype);
  if (datatype === undefined) throw wrongDatatype(head.dtype, label);
  const shape = head.dims;
  const count = countOf(shape, label);
  const wanted = { label, datatype, shape, count, pace, fields: FIELDS, fewer: true };
  if (head.content !== undefined && head.content.byteLength > 0) {
    const data =
      datatype === "BYTES" ? yield* readPackedTexts(head.content, count, context) : exactly(head.content, wanted);
    return { name, datatype, shape, data };
  }
  const data = yield* readContents([message], wanted);
  return { name, datatype, shape, data: yield* repeatLast(data, wanted) };
}

interface Head {
  dtype: number;
  dims: readonly number[];
  content: Uint8Array | undefined;
}

// What is not typed values; those may be one field each, so the walk goes in slices.
function* readHead(message: Uint8Array, { label, pace }: TensorContext): Sliced<Head> {
  const head: Head = { dtype: 0, dims: [], content: undefined };
  const reader = openReader(message);
  while (reader.pos < reader.len) {
    guard(() => readHeadField(reader, head, label));
    if (isDue(pace, 16)) yield;
  }
  return head;
}

function readHeadField(reader: ProtoReader, head: Head, label: string): void {
  const tag = reader.tag();
  if (tag === ((DTYPE << 3) | WIRE.varint)) head.dtype = reader.int32();
  else if (tag === ((SHAPE << 3) | WIRE.bytes)) head.dims = readShape(reader, label);
  else if (tag === ((CONTENT << 3) | WIRE.bytes)) head.content = reader.bytes();
  else skipField(reader, tag);
}

/** No runtime has more dimensions than TensorFlow's 254. Source: tensor_shape.h, MaxDimensions. */
const MAX_RANK = 254;

// TensorShapeProto: dim 2 {size 1, name 2}, unknown_rank 3, which TensorFlow reads as a scalar.
function readShape(reader: ProtoReader, label: string): readonly number[] {
  const dims: number[] = [];
  const end = reader.size() + reader.pos;
  if (end > reader.len) throw malformed(new Error("a shape that does not end"));
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag !== 0x12) {
      skipField(reader, tag);
      continue;
    }
    if (dims.length === MAX_RANK) throw invalid(`${label}: expected at most ${MAX_RANK} dimensions, got more`);
    dims.push(readDim(reader, label));
  }
  return dims;
}

function readDim(reader: ProtoReader, label: string): number {
  const end = reader.size() + reader.pos;
  if (end > reader.len) throw malformed(new Error("a dimension that does not end"));
  let size = 0n;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === 0x08) size = bigintOf(reader.int64());
    else skipField(reader, tag);
  }
  if (size < 0n || size > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalid(`${label}: expected dimensions of at least 0, got ${size}`);
  }
  return Number(size);
}

function wrongDatatype(dtype: number, label: string): InferError {
  if (dtype === 0) return invalid(`${label}: expected a datatype, got none`);
  return new InferError("unsupported", `${label}: ${wordOfNumber(dtype)} is not supported`);
}

function countOf(shape: readonly number[], label: string): number {
  try {
    return elementCount(shape);
  } catch (error) {
    throw error instanceof InferError ? invalid(`${label}: ${error.message}`) : error;
  }
}

interface Wanted {
  readonly label: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly count: number;
  readonly pace: Pace;
}

function exactly(content: Uint8Array, { label, datatype, shape, count }: Wanted): Uint8Array {
  const needed = count * ELEMENT_BYTES[datatype];
  if (content.byteLength === needed) return content;
  throw invalid(
    `${label}: ${datatype} of shape [${shape.join(",")}] needs ${needed} bytes of tensor_content, got ${content.byteLength}`,
  );
}

// The lengths of all strings as varints, then their bytes. Source: tensorflow/core/framework/tensor.cc, Helper<tstring>.
function* readPackedTexts(content: Uint8Array, count: number, { label, pace }: TensorContext): Sliced<Uint8Array> {
  if (count > content.byteLength) throw invalid(`${label}: expected ${count} strings in tensor_content, got fewer`);
  const reader = openReader(content);
  const lengths = new Uint32Array(count);
  let total = 0;
  for (let index = 0; index < count; index++) {
    lengths[index] = guard(() => reader.uint32());
    total += lengths[index] as number;
    if (isDue(pace, 8)) yield;
  }
  if (reader.pos + total !== content.byteLength) {
    throw invalid(
      `${label}: expected ${total} bytes of strings in tensor_content, got ${content.byteLength - reader.pos}`,
    );
  }
  const data = Buffer.allocUnsafeSlow(total + 4 * count);
  let from = reader.pos;
  let at = 0;
  for (const length of lengths) {
    at = data.writeUInt32LE(length, at);
    data.set(content.subarray(from, from + length), at);
    from += length;
    at += length;
    if (isDue(pace, 16 + length / 32)) yield;
  }
  return data;
}

/** Bytes copied or filled between two looks at the pace. */
const STEP_BYTES = 1024 * 1024;

function* repeatLast(data: Uint8Array, wanted: Wanted): Sliced<Uint8Array> {
  const { count, label, pace } = wanted;
  const { elements, last } = yield* elementsOf(data, wanted);
  if (elements === count) return data;
  const total = data.byteLength + (count - elements) * last.byteLength;
  if (total > MAX_REPEATED_BYTES) {
    throw new InferError(
      "too-large",
      `${label}: expected at most ${MAX_REPEATED_BYTES} bytes of repeated values, got ${total}`,
    );
  }
  const all = Buffer.allocUnsafeSlow(total);
  for (let at = 0; at < data.byteLength; at += STEP_BYTES) {
    all.set(data.subarray(at, at + STEP_BYTES), at);
    if (isDue(pace, STEP_BYTES / 8)) yield;
  }
  const step = Math.max(1, Math.floor(STEP_BYTES / last.byteLength)) * last.byteLength;
  for (let at = data.byteLength; at < total; at += step) {
    all.fill(last, at, Math.min(total, at + step));
    if (isDue(pace, step / 8)) yield;
  }
  return all;
}

// The last is zero, or an empty string, where there is none.
function* elementsOf(
  data: Uint8Array,
  { datatype, pace }: Wanted,
): Sliced<{ readonly elements: number; readonly last: Uint8Array }> {
  const width = datatype === "BYTES" ? 4 : ELEMENT_BYTES[datatype];
  if (data.byteLength === 0) return { elements: 0, last: new Uint8Array(width) };
  if (datatype !== "BYTES") {
    return { elements: data.byteLength / width, last: data.subarray(data.byteLength - width) };
  }
  let elements = 0;
  let from = 0;
  for (let at = 0; at < data.byteLength; at += 4 + readU32(data, at)) {
    elements += 1;
    from = at;
    if (isDue(pace, 8)) yield;
  }
  return { elements, last: data.subarray(from) };
}

/** How a tensor is written: `content` is its bytes in one field; `typed` the values, as TF Serving answers. */
export type TensorProtoForm = "content" | "typed";

/** A tensor as a TensorProto; BYTES are typed in both forms. Numbers as `content` are views, copied when the message is put together. */
export function* writeTensorProto(
  tensor: Tensor,
  form: TensorProtoForm,
  context: Pick<TensorContext, "label" | "pace">,
): Sliced<Assembly> {
  const assembly = openAssembly();
  const { writer } = assembly;
  writer.uint32((DTYPE << 3) | WIRE.varint).int32(numberOf(tensor.datatype));
  writer.uint32((SHAPE << 3) | WIRE.bytes).fork();
  for (const size of tensor.shape) {
    writer.uint32(0x12).fork();
    if (size !== 0) writer.uint32(0x08).int64(size);
    writer.ldelim();
  }
  writer.ldelim();
  if (tensor.data.byteLength === 0) return assembly;
  if (form === "content" && tensor.datatype !== "BYTES") putBytesField(assembly, CONTENT, tensor.data);
  else putFields(assembly, yield* writeContents(tensor, { ...context, fields: FIELDS }));
  return assembly;
}
