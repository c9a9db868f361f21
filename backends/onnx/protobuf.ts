// A walk over the fields of a protobuf file that reads only what is asked for and steps over the rest by length.

import type { FileHandle } from "node:fs/promises";

/** Small, so that no turn of the event loop walks for long between two reads. */
const WINDOW_BYTES = 16 * 1024;
/** No name or location is longer; what claims to be is no ONNX file. */
const MAX_TEXT_BYTES = 1024 * 1024;

export interface Field {
  readonly number: number;
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. Source: protobuf encoding, wire types. */
  readonly wire: number;
  /** Where a length-delimited field ends in the file; for the others, where its value starts. */
  readonly end: number;
}

export interface Protobuf {
  /** The fields from here to `end`. Each must be read, walked or skipped before the next. @throws Error when they do not end there */
  fields(end: number): AsyncGenerator<Field, void, void>;
  /** The varint of a field of wire type 0, unsigned: a negative one comes as a number near 2^64. */
  integer(): Promise<number>;
  text(field: Field): Promise<string>;
  skip(field: Field): Promise<void>;
}

/** @param size the file's length */
export function openProtobuf(file: FileHandle, size: number): Protobuf {
  const window = Buffer.alloc(WINDOW_BYTES);
  let from = 0;
  let filled = 0;
  let at = 0;

  const ensure = async (bytes: number): Promise<void> => {
    if (at + bytes > size)
      throw new Error(`the file ends inside a field: byte ${at + bytes} is needed, it has ${size}`);
    if (at >= from && at + bytes <= from + filled) return;
    from = at;
    filled = 0;
    while (filled < bytes) {
      const { bytesRead } = await file.read(window, filled, WINDOW_BYTES - filled, from + filled);
      if (bytesRead === 0) throw new Error("the file became shorter while it was read");
      filled += bytesRead;
    }
  };

  const varint = async (): Promise<number> => {
    let value = 0;
    for (let scale = 1; scale < 2 ** 70; scale *= 128) {
      if (at < from || at >= from + filled) await ensure(1);
      const byte = window[at - from] as number;
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new Error(`no ONNX model: byte ${at} goes on with a number of more than 10 bytes`);
  };

  const proto: Protobuf = {
    fields: (end) => fieldsUntil(end, { at: () => at, varint }),
    integer: varint,
    async text(field) {
      const length = field.end - at;
      if (length > MAX_TEXT_BYTES) throw new Error(`no ONNX model: a name of ${length} bytes`);
      const parts: Buffer[] = [];
      while (at < field.end) {
        const step = Math.min(WINDOW_BYTES, field.end - at);
        await ensure(step);
        parts.push(Buffer.from(window.subarray(at - from, at - from + step)));
        at += step;
      }
      return Buffer.concat(parts).toString("utf8");
    },
    async skip(field) {
      if (field.wire === 0) await varint();
      else if (field.wire === 2) at = field.end;
      else if (field.wire === 1) at += 8;
      else if (field.wire === 5) at += 4;
      else throw new Error(`no ONNX model: byte ${at} has wire type ${field.wire}`);
    },
  };
  return proto;
}

interface Cursor {
  at(): number;
  varint(): Promise<number>;
}

async function* fieldsUntil(end: number, { at, varint }: Cursor): AsyncGenerator<Field, void, void> {
  while (at() < end) {
    const key = await varint();
    const field = { number: Math.floor(key / 8), wire: key % 8 };
    if (field.number === 0) throw new Error(`no ONNX model: byte ${at()} is not the start of a field`);
    const length = field.wire === 2 ? await varint() : 0;
    const next = at() + length;
    if (next > end) throw new Error(`the file ends inside a field: byte ${next} is needed, it has ${end}`);
    yield { ...field, end: next };
  }
  if (at() !== end) throw new Error(`no ONNX model: a field goes on beyond byte ${end}`);
}
