// Protobuf messages spelled out field by field, for the tests of their codecs.

import { openWriter, WIRE } from "../../../wire/protobuf.ts";

/** A field of a message: its number, and text, bytes, or a whole number as a varint. */
export type SpelledField = readonly [field: number, value: string | Uint8Array | number];

/** The message of these fields, in their order. */
export function spell(...fields: readonly SpelledField[]): Uint8Array {
  const writer = openWriter();
  for (const [field, value] of fields) {
    if (typeof value === "number") writer.uint32(field << 3).int64(value);
    else if (typeof value === "string") writer.uint32((field << 3) | WIRE.bytes).string(value);
    else writer.uint32((field << 3) | WIRE.bytes).bytes(value);
  }
  return writer.finish();
}

/** InferInputTensor or InferOutputTensor. */
export function spellTensor(name: string, datatype: string, ...rest: readonly SpelledField[]): Uint8Array {
  return spell([1, name], [2, datatype], ...rest);
}
