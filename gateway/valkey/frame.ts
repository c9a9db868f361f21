// The frame of a value in the shared store: its version, its lengths, a keyed checksum, and data compressed where that pays.

import { createHmac, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { constants, zstdCompress, zstdCompressSync, zstdDecompress } from "node:zlib";
import { dataBytes, headText, type KeptAnswer, readAnswer } from "./answers.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/*
 * 0  2  "SC"
 * 2  1  version of the frame
 * 3  1  1 where the data is compressed (zstd)
 * 4  4  bytes of the head, little-endian
 * 8  4  bytes of the data before it was compressed
 * 12 16 checksum: HMAC-SHA-256 over the key in the store, the 12 bytes before and all bytes behind, its first half
 * 28    the head, then the data
 */
const MAGIC = 0x4353;
const VERSION = 1;
const CHECKSUM_AT = 12;
const CHECKSUM_BYTES = 16;
const HEAD_AT = CHECKSUM_AT + CHECKSUM_BYTES;

/** Below this a value is not worth the work: it fits in a packet or two. */
const COMPRESS_FROM = 1024;
/** The start of the data is tried first, at once: 60 us. Random floats come to 0.9, text to 0.3, sparse floats to 0.05. */
const SAMPLE_BYTES = 4096;
/** What compression must at least leave of it: fewer bytes are bought with 1 ms a MiB on each side. */
const WORTH = 0.75;

/** So much more than the data its buffer may be: a frame's own head and a little. */
const SPARE_BYTES = 1024;

const FAST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Why a value could not be read: it has been written by another version of the gateway, or is not what was written. */
export type Unreadable = "other-version" | "spoiled";

export interface Frames {
  /**
   * The value to be kept under the key; copies the answer's bytes before it first waits. Undefined when it is larger than
   * the largest value.
   */
  write(key: string, kept: KeptAnswer): Promise<Uint8Array | undefined>;
  /** The answer in a value, which may hold anything; its outputs are views of the value or of buffers of their own. */
  read(key: string, value: Uint8Array): Promise<KeptAnswer | Unreadable>;
}

export function openFrames({ secret, maxBytes }: { readonly secret: string; readonly maxBytes: number }): Frames {
  const checksum = (key: string, frame: Uint8Array) =>
    createHmac("sha256", secret)
      .update(`${key.length}:${key}`)
      .update(frame.subarray(0, CHECKSUM_AT))
      .update(frame.subarray(HEAD_AT))
      .digest()
      .subarray(0, CHECKSUM_BYTES);
  return {
    async write(key, kept) {
      const raw = dataBytes(kept.stored.answer);
      if (raw > maxBytes) return undefined;
      const head = Buffer.from(headText(kept));
      const copied = Buffer.allocUnsafeSlow(HEAD_AT + head.byteLength + raw);
      let at = head.copy(copied, HEAD_AT) + HEAD_AT;
      for (const { data } of kept.stored.answer.outputs) {
        copied.set(data, at);
        at += data.byteLength;
      }
      const data = copied.subarray(HEAD_AT + head.byteLength);
      const smaller = await compressed(data);
      const frame = smaller === undefined ? copied : Buffer.concat([copied.subarray(0, -raw), smaller]);
      if (frame.byteLength > maxBytes) return undefined;
      frame.writeUInt16LE(MAGIC, 0);
      frame[2] = VERSION;
      frame[3] = smaller === undefined ? 0 : 1;
      frame.writeUInt32LE(head.byteLength, 4);
      frame.writeUInt32LE(raw, 8);
      checksum(key, frame).copy(frame, CHECKSUM_AT);
      return frame;
    },
    async read(key, value) {
      const frame = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      if (frame.byteLength < HEAD_AT || frame.readUInt16LE(0) !== MAGIC) return "spoiled";
      if (frame[2] !== VERSION) return "other-version";
      const stated = frame.subarray(CHECKSUM_AT, HEAD_AT);
      if (!timingSafeEqual(stated, checksum(key, frame))) return "spoiled";
      // from here on the bytes are ours
      const dataAt = HEAD_AT + frame.readUInt32LE(4);
      const raw = frame.readUInt32LE(8);
      const packed = frame.subarray(dataAt);
      try {
        const data = frame[3] === 1 ? await decompress(packed, { maxOutputLength: raw }) : packed;
        return readAnswer(frame.toString("utf8", HEAD_AT, dataAt), owned(data)) ?? "spoiled";
      } catch {
        return "spoiled";
      }
    },
  };
}

/** What is kept in memory must not hold the piece of a socket's bytes that it came in. */
function owned(data: Uint8Array): Uint8Array {
  return data.buffer.byteLength > data.byteLength + SPARE_BYTES ? new Uint8Array(data) : data;
}

/** Off the event loop; undefined where it does not pay. */
async function compressed(data: Uint8Array): Promise<Uint8Array | undefined> {
  if (data.byteLength < COMPRESS_FROM) return undefined;
  const sample = data.subarray(0, SAMPLE_BYTES);
  const trial = zstdCompressSync(sample, FAST);
  if (trial.byteLength > sample.byteLength * WORTH) return undefined;
  const whole = sample.byteLength === data.byteLength ? trial : await compress(data, FAST);
  return whole.byteLength <= data.byteLength * WORTH ? whole : undefined;
}
