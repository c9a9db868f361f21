// Where a protobuf message has the elements of a tensor: one typed field for each group of datatypes.

import type { Datatype } from "../core/tensor.ts";
import { WIRE } from "./protobuf.ts";

/** The typed field of a datatype. */
export interface ContentsField {
  readonly number: number;
  readonly name: string;
  /** Of one element that is not packed. */
  readonly wire: number;
}

/** The typed fields of a message: that of each datatype, undefined for those that have none. */
export type ContentsFields = Readonly<Record<Datatype, ContentsField | undefined>>;

// Source: open_inference_grpc.proto, InferTensorContents.
const BOOL: ContentsField = { number: 1, name: "bool_contents", wire: WIRE.varint };
const INT: ContentsField = { number: 2, name: "int_contents", wire: WIRE.varint };
const INT64: ContentsField = { number: 3, name: "int64_contents", wire: WIRE.varint };
const UINT: ContentsField = { number: 4, name: "uint_contents", wire: WIRE.varint };
const UINT64: ContentsField = { number: 5, name: "uint64_contents", wire: WIRE.varint };
const FP32: ContentsField = { number: 6, name: "fp32_contents", wire: WIRE.fixed32 };
const FP64: ContentsField = { number: 7, name: "fp64_contents", wire: WIRE.fixed64 };
const BYTES: ContentsField = { number: 8, name: "bytes_contents", wire: WIRE.bytes };

/** The fields of InferTensorContents. */
export const OIP_FIELDS: ContentsFields = {
  BOOL,
  UINT8: UINT,
  UINT16: UINT,
  UINT32: UINT,
  UINT64,
  INT8: INT,
  INT16: INT,
  INT32: INT,
  INT64,
  FP16: undefined,
  BF16: undefined,
  FP32,
  FP64,
  BYTES,
};
