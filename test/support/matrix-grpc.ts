// The gRPC clients of the matrix: messages of the Open Inference Protocol and of TensorFlow Serving, field by field.

import type { WireReply } from "../../core/protocol.ts";
import { DATATYPES, type Datatype } from "../../core/tensor.ts";
import { type Read, wholeBody } from "./matrix-client.ts";
import { bytesField, payloadsOf, varint, varintField, varintsOf } from "./matrix-protobuf.ts";
import { bytesOfTokens, type Value } from "./matrix-values.ts";

/** ModelInfer, and how its answers are read. */
export const OIP_GRPC = {
  protocol: "oip-grpc",
  path: "/inference.GRPCInferenceService/ModelInfer",
  read: readOipGrpc,
} as const;

/** Predict, and how its answers are read. */
export const PREDICT = {
  protocol: "tfs-grpc",
  path: "/tensorflow.serving.PredictionService/Predict",
  read: readPredict,
} as const;

/** A ModelInferRequest of one input, its elements raw or in typed contents. */
export function writeOip(value: Value, model: string, how: "raw" | "typed"): Uint8Array {
  return writeOipAll([["x", value]], model, how);
}

/** The same of several inputs by their names. */
export function writeOipAll(values: Named, model: string, how: "raw" | "typed"): Uint8Array {
  const inputs = values.map(([name, value]) => {
    const dims = Buffer.concat(value.shape.map((size) => varint(BigInt(size))));
    const contents = how === "typed" ? [bytesField(5, listed(value, CONTENTS))] : [];
    const input = [bytesField(1, name), bytesField(2, value.datatype), bytesField(3, dims), ...contents];
    return bytesField(5, Buffer.concat(input));
  });
  const raws = how === "raw" ? values.map(([, value]) => bytesField(7, value.data)) : [];
  return Buffer.concat([bytesField(1, model), ...inputs, ...raws]);
}

/** Values under the names of their tensors. */
export type Named = readonly (readonly [name: string, value: Value])[];

/** What is understood of several outputs, by their names. */
export type ReadAll = ReadonlyMap<string, Read>;

function readOipGrpc(reply: WireReply): Read {
  const [only] = readOipAll(reply).values();
  if (only === undefined) throw new Error("expected an output with raw contents");
  return only;
}

/** All outputs of a ModelInferResponse with raw contents. */
export function readOipAll(reply: WireReply): ReadAll {
  const message = wholeBody(reply);
  const raws = payloadsOf(message, 6);
  return new Map(
    payloadsOf(message, 5).map((output, i) => {
      const [name, datatype] = [1, 2].map((field) => Buffer.from(payloadsOf(output, field)[0]!).toString());
      return [name!, { datatype: datatype!, shape: varintsOf(output, 3).map(Number), data: raws[i]! }];
    }),
  );
}

/** Values by one of the numbered lists that a message has for each kind of element; undefined where there is none. */
type Lists = Partial<Record<Datatype, readonly [number: number, as: "varint" | "fixed" | "bytes" | "half"]>>;

// InferTensorContents has no list for FP16 and BF16. Source: KServe, grpc_predict_v2.proto.
const CONTENTS: Lists = {
  ...{ BOOL: [1, "varint"], INT8: [2, "varint"], INT16: [2, "varint"], INT32: [2, "varint"], INT64: [3, "varint"] },
  ...{ UINT8: [4, "varint"], UINT16: [4, "varint"], UINT32: [4, "varint"], UINT64: [5, "varint"] },
  ...{ FP32: [6, "fixed"], FP64: [7, "fixed"], BYTES: [8, "bytes"] },
};

// Source: tensorflow/core/framework/tensor.proto.
const TYPED: Lists = {
  ...{ FP32: [5, "fixed"], FP64: [6, "fixed"], INT32: [7, "varint"], INT16: [7, "varint"], INT8: [7, "varint"] },
  ...{ UINT8: [7, "varint"], UINT16: [7, "varint"], BYTES: [8, "bytes"], INT64: [10, "varint"], BOOL: [11, "varint"] },
  ...{ FP16: [13, "half"], BF16: [13, "half"], UINT32: [16, "varint"], UINT64: [17, "varint"] },
};

function listed({ datatype, tokens, data }: Value, lists: Lists): Uint8Array {
  const list = lists[datatype];
  if (list === undefined) return new Uint8Array(0);
  const [number, as] = list;
  if (as === "bytes") return Buffer.concat(tokens.map((token) => bytesField(number, token)));
  if (as === "fixed") return bytesField(number, data);
  if (as === "half") return bytesField(number, Buffer.concat(halves(data).map((bits) => varint(bits))));
  const ints = tokens.map((token) => (token === "true" ? 1n : token === "false" ? 0n : BigInt(`${token}`)));
  return bytesField(number, Buffer.concat(ints.map((int) => varint(int))));
}

function halves(data: Uint8Array): readonly bigint[] {
  return Array.from({ length: data.byteLength / 2 }, (_, i) => BigInt(data[2 * i]! | (data[2 * i + 1]! << 8)));
}

/** TensorFlow's numbers. Source: tensorflow/core/framework/types.proto. */
const DTYPES: Record<Datatype, number> = {
  ...{ FP32: 1, FP64: 2, INT32: 3, UINT8: 4, INT16: 5, INT8: 6, BYTES: 7, INT64: 9, BOOL: 10, BF16: 14 },
  ...{ UINT16: 17, FP16: 19, UINT32: 22, UINT64: 23 },
};

/** A PredictRequest of one input, its elements in tensor_content or in the list of their datatype. */
export function writePredict(value: Value, model: string, how: "content" | "typed"): Uint8Array {
  return writePredictAll([["x", value]], model, how);
}

/** The same of several inputs by their names. */
export function writePredictAll(values: Named, model: string, how: "content" | "typed"): Uint8Array {
  const entries = values.map(([name, value]) => {
    const content = value.datatype === "BYTES" ? packedTexts(value) : value.data;
    const contents = how === "content" ? bytesField(4, content) : listed(value, TYPED);
    const dims = value.shape.map((size) => bytesField(2, varintField(1, BigInt(size))));
    const tensor = [varintField(1, BigInt(DTYPES[value.datatype])), bytesField(2, Buffer.concat(dims)), contents];
    return bytesField(2, Buffer.concat([bytesField(1, name), bytesField(2, Buffer.concat(tensor))]));
  });
  return Buffer.concat([bytesField(1, bytesField(1, model)), ...entries]);
}

/** All outputs of a PredictResponse; `likeOf` says what the output of a name was as an input. */
export function readPredictAll(reply: WireReply, likeOf: (name: string) => Value): ReadAll {
  return new Map(
    payloadsOf(wholeBody(reply), 1).map((entry) => {
      const name = Buffer.from(payloadsOf(entry, 1)[0]!).toString();
      return [name, readEntry(entry, likeOf(name))];
    }),
  );
}

function readPredict(reply: WireReply, value: Value): Read {
  return readEntry(payloadsOf(wholeBody(reply), 1)[0]!, value);
}

function readEntry(entry: Uint8Array, value: Value): Read {
  const [tensor] = payloadsOf(entry, 2);
  const [shape] = payloadsOf(tensor!, 2);
  const dims = payloadsOf(shape ?? new Uint8Array(0), 2).map((dim) => Number(varintsOf(dim, 1)[0] ?? 0n));
  const number = Number(varintsOf(tensor!, 1)[0]);
  const datatype = DATATYPES.find((one) => DTYPES[one] === number)!;
  const [content] = payloadsOf(tensor!, 4);
  return { datatype, shape: dims, data: content ?? elementsIn(tensor!, value) };
}

function elementsIn(tensor: Uint8Array, { datatype }: Value): Uint8Array {
  const [number, as] = TYPED[datatype]!;
  if (as === "bytes") return bytesOfTokens("BYTES", payloadsOf(tensor, number));
  if (as === "fixed") return Buffer.concat(payloadsOf(tensor, number));
  const ints = varintsOf(tensor, number);
  if (as === "half") return Buffer.concat(ints.map((bits) => Uint8Array.of(Number(bits & 0xffn), Number(bits >> 8n))));
  const isSigned = datatype.startsWith("INT");
  const said = (int: bigint) => (datatype === "BOOL" ? `${int === 1n}` : `${isSigned ? BigInt.asIntN(64, int) : int}`);
  return bytesOfTokens(datatype, ints.map(said));
}

const packedTexts = ({ tokens }: Value) =>
  Buffer.concat([...tokens.map((one) => varint(BigInt(one.length))), ...tokens.map((one) => Buffer.from(one))]);
