// The one door of protobufjs: readers and writers of protobuf's wire format, and 64-bit integers as bigints.

import protobuf from "protobufjs/minimal.js";
import { InferError, invalid } from "../core/error.ts";

/** Reads one message; its bytes are the message's own. */
export type ProtoReader = protobuf.Reader;
/** Collects the fields of one message. */
export type ProtoWriter = protobuf.Writer;

/** The kinds of fields on the wire. Source: protobuf encoding, message structure. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** A reader whose byte fields are views into the message. */
export function openReader(message: Uint8Array): ProtoReader {
  const { buffer, byteOffset, byteLength } = message;
  return protobuf.Reader.create(Buffer.from(buffer, byteOffset, byteLength));
}

export function openWriter(): ProtoWriter {
  return protobuf.Writer.create();
}

/** How many more fields a message may have, over all of its parts: what nobody knows must be stepped over too. */
export interface FieldBudget {
  left: number;
}

/** Fields of one message, its parts together: more than any real one has, fewer than take a turn of the event loop. */
export const MAX_FIELDS = 65_536;
/** Bytes of one text. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;

/**
 * Reads the fields of a message one after the other: `read` takes the field's value from the reader and says so, or
 * leaves it to be stepped over.
 *
 * @throws InferError invalid-argument for bytes that are no message of proto3 and for too many fields, and whatever
 * `read` throws
 */
export function readFields(
  reader: ProtoReader,
  budget: FieldBudget,
  read: (field: number, wire: number) => boolean,
): void {
  guard(() => {
    while (reader.pos < reader.len) {
      if (budget.left === 0) throw invalid(`a protobuf message has over ${MAX_FIELDS} fields`);
      budget.left -= 1;
      const tag = reader.tag();
      const from = reader.pos;
      if (read(tag >>> 3, tag & 7)) continue;
      reader.pos = from;
      skipField(reader, tag);
    }
  });
}

/** Steps over a field's value. @throws Error for groups, which proto3 does not have */
export function skipField(reader: ProtoReader, tag: number): void {
  if ((tag & 7) === 3) throw new Error(`a group at byte ${reader.pos}`);
  reader.skipType(tag & 7, 0, tag >>> 3);
}

/** Reads a string. @throws InferError invalid-argument for bytes that are no UTF-8, too-large for over 4 MiB */
export function readText(reader: ProtoReader): string {
  const from = reader.pos;
  const bytes = reader.size();
  if (bytes > MAX_TEXT_BYTES) {
    throw new InferError("too-large", `expected a text of at most ${MAX_TEXT_BYTES} bytes, got ${bytes}`);
  }
  reader.pos = from;
  return reader.stringVerify();
}

/** A reader of the message that stands in a field. */
export function openNested(reader: ProtoReader): ProtoReader {
  return openReader(reader.bytes());
}

/** Does work on a reader. @throws InferError invalid-argument in place of protobufjs' own errors */
export function guard<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InferError) throw error;
    throw malformed(error);
  }
}

/** The fault of bytes that are no protobuf message. */
export function malformed(cause: unknown): InferError {
  const said = cause instanceof Error ? cause.message : "unreadable";
  return invalid(`malformed protobuf message: ${said}`);
}

/** A 64-bit integer that protobufjs has read. */
export function bigintOf(long: { readonly low: number; readonly high: number; readonly unsigned: boolean }): bigint {
  const high = long.unsigned ? long.high >>> 0 : long.high;
  return BigInt(high) * 4294967296n + BigInt(long.low >>> 0);
}

/** The same 64 bits in the form that protobufjs writes. */
export function longOf(value: bigint): protobuf.Long {
  const low = Number(BigInt.asIntN(32, value));
  const high = Number(BigInt.asIntN(32, value >> 32n));
  return { low, high, unsigned: value >= 0n };
}
