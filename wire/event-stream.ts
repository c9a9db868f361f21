// AWS event streams: frames of headers and payload with their checksums, both ways. Source: AWS SDK guide, "Event stream encoding" (application/vnd.amazon.eventstream).

import { InferError } from "../core/error.ts";

/** The media type of a body of frames. */
export const EVENT_STREAM_TYPE = "application/vnd.amazon.eventstream";

/** One frame. */
export interface EventFrame {
  /** Those headers that are texts; `:message-type` says what the frame is. */
  readonly headers: ReadonlyMap<string, string>;
  readonly payload: Uint8Array;
}

/** Total length, length of the headers, checksum of both. */
const PRELUDE_BYTES = 12;
/** The checksum behind the payload. */
const TRAILER_BYTES = 4;
/** Headers are at most 128 KiB and payloads 16 MiB. Source: the same guide. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024 + 128 * 1024 + PRELUDE_BYTES + TRAILER_BYTES;
const TEXT_TYPE = 7;

/** A frame's bytes, the payload copied behind its headers. */
export function encodeFrame({ headers, payload }: EventFrame): Uint8Array {
  const head = Buffer.concat(
    [...headers].map(([name, value]) => {
      const text = Buffer.from(value);
      const lengths = Buffer.from([TEXT_TYPE, text.byteLength >>> 8, text.byteLength & 0xff]);
      return Buffer.concat([Buffer.from([Buffer.byteLength(name)]), Buffer.from(name), lengths, text]);
    }),
  );
  const total = PRELUDE_BYTES + head.byteLength + payload.byteLength + TRAILER_BYTES;
  const frame = Buffer.allocUnsafe(total);
  frame.writeUInt32BE(total, 0);
  frame.writeUInt32BE(head.byteLength, 4);
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8);
  frame.set(head, PRELUDE_BYTES);
  frame.set(payload, PRELUDE_BYTES + head.byteLength);
  frame.writeUInt32BE(crc32(frame.subarray(0, total - TRAILER_BYTES)), total - TRAILER_BYTES);
  return frame;
}

/**
 * The frames of a body as they come whole, however its pieces are cut. Payloads are views.
 *
 * @throws InferError bad-backend for a wrong checksum or length, unavailable when the body ends inside a frame
 */
export async function* decodeFrames(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<EventFrame> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  let needed = PRELUDE_BYTES;
  for await (const piece of pieces) {
    held.push(piece);
    bytes += piece.byteLength;
    while (bytes >= needed) {
      const whole = held.length === 1 ? asBuffer(held[0] as Uint8Array) : Buffer.concat(held);
      const total = frameLength(whole);
      if (bytes >= total) {
        yield decodeFrame(whole.subarray(0, total));
        const rest = whole.subarray(total);
        held = rest.byteLength === 0 ? [] : [rest];
        bytes = rest.byteLength;
        needed = PRELUDE_BYTES;
        continue;
      }
      // joined once here and once when the frame is whole
      held = [whole];
      needed = total;
    }
  }
  if (bytes > 0) throw new InferError("unavailable", "the backend's event stream ended inside a frame");
}

function frameLength(bytes: Buffer): number {
  const total = bytes.readUInt32BE(0);
  const isSound =
    total >= PRELUDE_BYTES + TRAILER_BYTES &&
    bytes.readUInt32BE(4) <= total - PRELUDE_BYTES - TRAILER_BYTES &&
    bytes.readUInt32BE(8) === crc32(bytes.subarray(0, 8));
  if (!isSound) throw wrong("the lengths of a frame do not fit their checksum");
  if (total > MAX_FRAME_BYTES) throw wrong(`expected frames of at most ${MAX_FRAME_BYTES} bytes, got ${total}`);
  return total;
}

function decodeFrame(frame: Buffer): EventFrame {
  const end = frame.byteLength - TRAILER_BYTES;
  if (frame.readUInt32BE(end) !== crc32(frame.subarray(0, end))) throw wrong("a frame does not fit its checksum");
  const payloadAt = PRELUDE_BYTES + frame.readUInt32BE(4);
  return { headers: readHeaders(frame.subarray(PRELUDE_BYTES, payloadAt)), payload: frame.subarray(payloadAt, end) };
}

/** Bytes of each type's value; -1 where two bytes of length stand before it. */
const VALUE_BYTES = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16] as const;

function readHeaders(bytes: Buffer): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  let at = 0;
  while (at < bytes.byteLength) {
    const nameEnd = at + 1 + (bytes[at] as number);
    const type = bytes[nameEnd] ?? -1;
    const width = VALUE_BYTES[type];
    if (width === undefined) throw wrong(`a header of unknown type ${type}`);
    const from = nameEnd + (width < 0 ? 3 : 1);
    if (from > bytes.byteLength) throw wrong("a header ends inside its length");
    const to = from + (width < 0 ? bytes.readUInt16BE(nameEnd + 1) : width);
    if (to > bytes.byteLength) throw wrong("a header ends inside its value");
    if (type === TEXT_TYPE) headers.set(bytes.toString("utf8", at + 1, nameEnd), bytes.toString("utf8", from, to));
    at = to;
  }
  return headers;
}

function wrong(what: string): InferError {
  return new InferError("bad-backend", `the backend's event stream: ${what}`);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Of the reflected polynomial of CRC-32 (ISO 3309), byte by byte. */
const CRC_TABLE: Readonly<Uint32Array> = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** The checksum of zip, gzip and PNG, as an unsigned number. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.byteLength; i++) {
    crc = (CRC_TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
