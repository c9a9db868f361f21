// Writes a tensor's elements as InferTensorContents, for servers that read no raw contents, in slices.

import { InferError } from "../core/error.ts";
import { bytesElements, type Datatype, ELEMENT_BYTES, type Tensor } from "../core/tensor.ts";
import { type ContentsFields, OIP_FIELDS } from "./oip-proto-fields.ts";
import { WIRE } from "./protobuf.ts";
import { type Assembly, openAssembly, putBytesField, putView } from "./protobuf-assembly.ts";
import { isDue, type Pace, type Sliced } from "./sliced.ts";

/** Bytes of one buffer of varints. */
const CHUNK_BYTES = 64 * 1024;
/** The longest varint. */
const MAX_VARINT_BYTES = 10;
/** Elements of BYTES up to this size are copied beside one another; larger ones stay views. */
const COPIED_BYTES = 1024;

/** How the tensor is named in errors, and the pace to keep. */
export interface ElementsContext {
  readonly label: string;
  readonly pace: Pace;
  /** Where the message has its elements; those of InferTensorContents when absent. */
  readonly fields?: ContentsFields;
}

/**
 * The message InferTensorContents of a tensor. FP32 and FP64 are the tensor's own bytes, not copies; a BOOL that is
 * neither 0 nor 1 becomes 1.
 *
 * @throws InferError unsupported for FP16 and BF16, which have no typed field
 */
export function* writeContents(tensor: Tensor, context: ElementsContext): Sliced<Assembly> {
  const field = (context.fields ?? OIP_FIELDS)[tensor.datatype];
  if (field === undefined) {
    throw new InferError(
      "unsupported",
      `${context.label}: ${tensor.datatype} has no typed form, and the server does not take raw contents, which carry it`,
    );
  }
  const contents = openAssembly();
  if (tensor.data.byteLength === 0) return contents;
  if (tensor.datatype === "BYTES") yield* putTexts(contents, field.number, { tensor, pace: context.pace });
  else if (field.wire !== WIRE.varint) putBytesField(contents, field.number, tensor.data);
  else yield* putVarints(contents, field.number, { tensor, pace: context.pace });
  return contents;
}

interface From {
  readonly tensor: Tensor;
  readonly pace: Pace;
}

function* putVarints(contents: Assembly, field: number, { tensor, pace }: From): Sliced<void> {
  const count = tensor.data.byteLength / ELEMENT_BYTES[tensor.datatype];
  const pair: Halves = { low: 0, high: 0 };
  const read = halvesOf(tensor.datatype, tensor.data);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (let index = 0; index < count; ) {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, (count - index) * MAX_VARINT_BYTES));
    let at = 0;
    while (index < count && at + MAX_VARINT_BYTES <= chunk.byteLength) {
      read(pair, index++);
      at = putVarint(chunk, at, pair);
    }
    chunks.push(chunk.subarray(0, at));
    bytes += at;
    if (isDue(pace, at)) yield;
  }
  contents.writer.uint32((field << 3) | WIRE.bytes).uint32(bytes);
  for (const chunk of chunks) putView(contents, chunk);
}

interface Halves {
  low: number;
  high: number;
}

// Negative numbers of 32 bits and fewer go as ten bytes, as protobuf has it.
function halvesOf(datatype: Datatype, data: Uint8Array): (into: Halves, index: number) => void {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const narrow = (get: (index: number) => number) => (into: Halves, index: number) => {
    const value = get(index);
    into.low = value >>> 0;
    into.high = value < 0 ? 0xffffffff : 0;
  };
  switch (datatype) {
    case "BOOL":
      return narrow((index) => (view.getUint8(index) === 0 ? 0 : 1));
    case "UINT8":
      return narrow((index) => view.getUint8(index));
    case "UINT16":
    case "FP16":
    case "BF16":
      return narrow((index) => view.getUint16(index * 2, true));
    case "UINT32":
      return narrow((index) => view.getUint32(index * 4, true));
    case "INT8":
      return narrow((index) => view.getInt8(index));
    case "INT16":
      return narrow((index) => view.getInt16(index * 2, true));
    case "INT32":
      return narrow((index) => view.getInt32(index * 4, true));
    default:
      return (into, index) => {
        into.low = view.getUint32(index * 8, true);
        into.high = view.getUint32(index * 8 + 4, true);
      };
  }
}

function putVarint(chunk: Uint8Array, start: number, pair: Halves): number {
  let { low, high } = pair;
  let at = start;
  while (high !== 0 || low > 0x7f) {
    chunk[at++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  chunk[at++] = low;
  return at;
}

function* putTexts(contents: Assembly, field: number, { tensor, pace }: From): Sliced<void> {
  const tag = (field << 3) | WIRE.bytes;
  let chunk = new Uint8Array(CHUNK_BYTES);
  let from = 0;
  let at = 0;
  const flush = () => {
    if (at > from) putView(contents, chunk.subarray(from, at));
    from = at;
  };
  for (const element of bytesElements(tensor.data)) {
    const { byteLength } = element;
    const copied = byteLength <= COPIED_BYTES ? byteLength : 0;
    if (at + 6 + copied > chunk.byteLength) {
      flush();
      chunk = new Uint8Array(CHUNK_BYTES);
      from = 0;
      at = 0;
    }
    chunk[at++] = tag;
    at = putVarint(chunk, at, { low: byteLength, high: 0 });
    if (copied === byteLength) {
      chunk.set(element, at);
      at += byteLength;
    } else {
      flush();
      putView(contents, element);
    }
    if (isDue(pace, 16 + copied)) yield;
  }
  flush();
}
