// A protobuf message of small fields and large views, put together in one buffer whose size is known beforehand.

import { openWriter, type ProtoWriter, WIRE } from "./protobuf.ts";
import { isDue, type Pace, type Sliced } from "./sliced.ts";

/** Bytes copied between two looks at the pace; copying is about this much faster than scanning. */
const COPY_BYTES = 256 * 1024;
const COPY_DISCOUNT = 8;

/** A message being put together. */
export interface Assembly {
  /** Takes the small fields; replaced whenever a view follows them. */
  writer: ProtoWriter;
  readonly segments: Uint8Array[];
  /** Of the segments; the writer's own come to it when they are done. */
  bytes: number;
}

export function openAssembly(): Assembly {
  return { writer: openWriter(), segments: [], bytes: 0 };
}

/** Says that these bytes, not copied now, come next. */
export function putView(assembly: Assembly, view: Uint8Array): void {
  flush(assembly);
  assembly.segments.push(view);
  assembly.bytes += view.byteLength;
}

/** Puts a field of bytes: its tag, its length and the view. */
export function putBytesField(assembly: Assembly, field: number, view: Uint8Array): void {
  assembly.writer.uint32((field << 3) | WIRE.bytes).uint32(view.byteLength);
  putView(assembly, view);
}

/** Puts a nested message that is itself an assembly. */
export function putNested(assembly: Assembly, field: number, nested: Assembly): void {
  flush(nested);
  assembly.writer.uint32((field << 3) | WIRE.bytes).uint32(nested.bytes);
  flush(assembly);
  for (const segment of nested.segments) assembly.segments.push(segment);
  assembly.bytes += nested.bytes;
}

/** Puts the fields of another assembly behind those that are there. */
export function putFields(assembly: Assembly, other: Assembly): void {
  flush(assembly);
  flush(other);
  for (const segment of other.segments) assembly.segments.push(segment);
  assembly.bytes += other.bytes;
}

/** The message: each view copied once. */
export function* finishAssembly(assembly: Assembly, pace: Pace): Sliced<Uint8Array> {
  flush(assembly);
  const [only, ...more] = assembly.segments;
  if (only === undefined) return new Uint8Array(0);
  if (more.length === 0) return only;
  const message = Buffer.allocUnsafe(assembly.bytes);
  let at = 0;
  for (const segment of assembly.segments) {
    for (let from = 0; from < segment.byteLength; from += COPY_BYTES) {
      const piece = segment.subarray(from, from + COPY_BYTES);
      message.set(piece, at);
      at += piece.byteLength;
      if (isDue(pace, 8 + piece.byteLength / COPY_DISCOUNT)) yield;
    }
  }
  return message;
}

function flush(assembly: Assembly): void {
  if (assembly.writer.len === 0) return;
  const bytes = assembly.writer.finish();
  assembly.segments.push(bytes);
  assembly.bytes += bytes.byteLength;
  assembly.writer = openWriter();
}
