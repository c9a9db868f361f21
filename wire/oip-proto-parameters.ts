// Parameters of the Open Inference Protocol over gRPC: maps of InferParameter, both ways.

import { invalid } from "../core/error.ts";
import type { Parameters, ParameterValue } from "../core/tensor.ts";
import { MAX_PARAMETERS } from "./oip-parameters.ts";
import {
  bigintOf,
  type FieldBudget,
  longOf,
  openNested,
  type ProtoReader,
  type ProtoWriter,
  readFields,
  readText,
  WIRE,
} from "./protobuf.ts";

/** Where the parameters of a message are collected. */
export interface ParametersInto {
  readonly into: Map<string, ParameterValue>;
  /** `the request` or `input "x"`: how errors name their owner. */
  readonly of: string;
  readonly budget: FieldBudget;
}

/**
 * Reads one entry of `map<string, InferParameter>`. The last entry of a key holds, as protobuf has it.
 *
 * @throws InferError invalid-argument for a parameter without a value, or over 1,024 of them
 */
export function readParameter(reader: ProtoReader, at: ParametersInto): void {
  let key = "";
  let value: ParameterValue | undefined;
  const entry = openNested(reader);
  readFields(entry, at.budget, (field, wire) => {
    if (wire !== WIRE.bytes || field > 2) return false;
    if (field === 1) key = readText(entry);
    else value = readValue(openNested(entry), at.budget);
    return true;
  });
  if (value === undefined) throw invalid(`parameter "${key}" of ${at.of}: expected a value, got none`);
  if (at.into.size === MAX_PARAMETERS && !at.into.has(key)) {
    throw invalid(`${at.of} has over ${MAX_PARAMETERS} parameters`);
  }
  at.into.set(key, value);
}

// InferParameter: bool 1, int64 2, string 3, double 4, uint64 5. Source: open_inference_grpc.proto.
function readValue(reader: ProtoReader, budget: FieldBudget): ParameterValue | undefined {
  let value: ParameterValue | undefined;
  readFields(reader, budget, (field, wire) => {
    if (field === 1 && wire === WIRE.varint) value = reader.bool();
    else if (field === 2 && wire === WIRE.varint) value = bigintOf(reader.int64());
    else if (field === 3 && wire === WIRE.bytes) value = readText(reader);
    else if (field === 4 && wire === WIRE.fixed64) value = reader.double();
    else if (field === 5 && wire === WIRE.varint) value = bigintOf(reader.uint64());
    else return false;
    return true;
  });
  return value;
}

/** Writes a map of parameters as the field of that number; whole numbers as int64, those beyond it as uint64. */
export function writeParameters(writer: ProtoWriter, field: number, parameters: Parameters): void {
  for (const [key, value] of parameters) {
    writer
      .uint32((field << 3) | WIRE.bytes)
      .fork()
      .uint32((1 << 3) | WIRE.bytes)
      .string(key)
      .uint32((2 << 3) | WIRE.bytes)
      .fork();
    writeValue(writer, value);
    writer.ldelim().ldelim();
  }
}

function writeValue(writer: ProtoWriter, value: ParameterValue): void {
  if (typeof value === "boolean") writer.uint32((1 << 3) | WIRE.varint).bool(value);
  else if (typeof value === "string") writer.uint32((3 << 3) | WIRE.bytes).string(value);
  else if (typeof value === "number") writer.uint32((4 << 3) | WIRE.fixed64).double(value);
  else if (value < 2n ** 63n) writer.uint32((2 << 3) | WIRE.varint).int64(longOf(value));
  else writer.uint32((5 << 3) | WIRE.varint).uint64(longOf(value));
}
