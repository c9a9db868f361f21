// The datatypes of ONNX and of the Open Inference Protocol, and the typed arrays between them.

import type { Datatype } from "../../core/tensor.ts";

/** ONNX's element types by number. Source: onnx.proto, TensorProto.DataType. */
const BY_NUMBER: Readonly<Record<number, Datatype>> = {
  1: "FP32",
  2: "UINT8",
  3: "INT8",
  4: "UINT16",
  5: "INT16",
  6: "INT32",
  7: "INT64",
  8: "BYTES",
  9: "BOOL",
  10: "FP16",
  11: "FP64",
  12: "UINT32",
  13: "UINT64",
  16: "BF16",
};

/** What else ONNX can hold, by name, for messages. */
const FOREIGN: Readonly<Record<number, string>> = {
  14: "complex64",
  15: "complex128",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  21: "uint4",
  22: "int4",
  23: "float4e2m1",
};

/** The words of onnxruntime-node. BF16 has none. */
const ORT_WORDS = {
  FP32: "float32",
  FP64: "float64",
  FP16: "float16",
  INT8: "int8",
  INT16: "int16",
  INT32: "int32",
  INT64: "int64",
  UINT8: "uint8",
  UINT16: "uint16",
  UINT32: "uint32",
  UINT64: "uint64",
  BOOL: "bool",
  BYTES: "string",
} as const;

export type OrtDatatype = keyof typeof ORT_WORDS;
export type OrtWord = (typeof ORT_WORDS)[OrtDatatype];

const BY_WORD: ReadonlyMap<string, OrtDatatype> = new Map(
  Object.entries(ORT_WORDS).map(([datatype, word]) => [word, datatype as OrtDatatype]),
);

/** The datatype behind ONNX's number, or the name of one that the protocol has no word for. */
export function datatypeOfNumber(number: number): { readonly datatype: Datatype } | { readonly foreign: string } {
  const datatype = BY_NUMBER[number];
  if (datatype !== undefined) return { datatype };
  return { foreign: FOREIGN[number] ?? `element type ${number}` };
}

/** The datatype behind a word of onnxruntime-node; undefined for its 4-bit types. */
export function datatypeOfWord(word: string): OrtDatatype | undefined {
  return BY_WORD.get(word);
}

/** Whether onnxruntime-node can take and give it: all but BF16. */
export function isOrtDatatype(datatype: Datatype): datatype is OrtDatatype {
  return Object.hasOwn(ORT_WORDS, datatype);
}

export function wordOf(datatype: OrtDatatype): OrtWord {
  return ORT_WORDS[datatype];
}

export type NumericArray =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>;

/**
 * A typed array over the buffer, as onnxruntime-node wants it; FP16 as raw 16-bit words. `offset` must be a multiple of
 * the element's size.
 */
export function arrayOver(
  datatype: Exclude<OrtDatatype, "BYTES">,
  place: { readonly buffer: ArrayBuffer; readonly offset: number; readonly length: number },
): NumericArray {
  const { buffer, offset, length } = place;
  switch (datatype) {
    case "FP32":
      return new Float32Array(buffer, offset, length);
    case "FP64":
      return new Float64Array(buffer, offset, length);
    case "INT8":
      return new Int8Array(buffer, offset, length);
    case "INT16":
      return new Int16Array(buffer, offset, length);
    case "INT32":
      return new Int32Array(buffer, offset, length);
    case "INT64":
      return new BigInt64Array(buffer, offset, length);
    case "UINT8":
    case "BOOL":
      return new Uint8Array(buffer, offset, length);
    case "FP16":
    case "UINT16":
      return new Uint16Array(buffer, offset, length);
    case "UINT32":
      return new Uint32Array(buffer, offset, length);
    case "UINT64":
      return new BigUint64Array(buffer, offset, length);
    default: {
      const never: never = datatype;
      throw new Error(`no array for ${String(never)}`);
    }
  }
}
