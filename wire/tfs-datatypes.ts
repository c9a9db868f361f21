// TensorFlow's datatypes: their numbers and words, and ours.

import type { Datatype } from "../core/tensor.ts";

/** Ours by TensorFlow's number. Source: tensorflow/core/framework/types.proto. */
const BY_NUMBER: ReadonlyMap<number, Datatype> = new Map<number, Datatype>([
  [1, "FP32"],
  [2, "FP64"],
  [3, "INT32"],
  [4, "UINT8"],
  [5, "INT16"],
  [6, "INT8"],
  [7, "BYTES"],
  [9, "INT64"],
  [10, "BOOL"],
  [14, "BF16"],
  [17, "UINT16"],
  [19, "FP16"],
  [22, "UINT32"],
  [23, "UINT64"],
]);

/** TensorFlow's words in the order of their numbers, for those that have a number below 24. Source: the same file. */
export const DTYPE_WORDS: readonly string[] = [
  "DT_INVALID",
  "DT_FLOAT",
  "DT_DOUBLE",
  "DT_INT32",
  "DT_UINT8",
  "DT_INT16",
  "DT_INT8",
  "DT_STRING",
  "DT_COMPLEX64",
  "DT_INT64",
  "DT_BOOL",
  "DT_QINT8",
  "DT_QUINT8",
  "DT_QINT32",
  "DT_BFLOAT16",
  "DT_QINT16",
  "DT_QUINT16",
  "DT_UINT16",
  "DT_COMPLEX128",
  "DT_HALF",
  "DT_RESOURCE",
  "DT_VARIANT",
  "DT_UINT32",
  "DT_UINT64",
];

const NUMBERS: ReadonlyMap<Datatype, number> = new Map([...BY_NUMBER].map(([number, datatype]) => [datatype, number]));

/** Our datatype behind a number; undefined for complex numbers, resources and others that we do not have. */
export function datatypeOfNumber(number: number): Datatype | undefined {
  return BY_NUMBER.get(number);
}

/** Our datatype behind a word as `DT_FLOAT`. */
export function datatypeOfWord(word: string): Datatype | undefined {
  return BY_NUMBER.get(DTYPE_WORDS.indexOf(word));
}

/** The number of one of ours. */
export function numberOf(datatype: Datatype): number {
  return NUMBERS.get(datatype) ?? 0;
}

/** The word of one of ours: `DT_FLOAT`. */
export function wordOfDatatype(datatype: Datatype): string {
  return DTYPE_WORDS[numberOf(datatype)] as string;
}

/** The word behind a number, for messages. */
export function wordOfNumber(number: number): string {
  return DTYPE_WORDS[number] ?? `datatype ${number}`;
}
