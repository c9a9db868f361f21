// Frames are compared with those of the AWS SDK's own codec (@smithy/core).

import { EventStreamCodec } from "@smithy/core/event-streams";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32, decodeFrames, type EventFrame, encodeFrame } from "../../../wire/event-stream.ts";
import {
  decodeError,
  decodeEvent,
  ERROR_STATUS,
  encodeError,
  encodeEvent,
  type StreamEvent,
} from "../../../wire/sagemaker.ts";

const theirs = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString("utf8"),
  (text) => Buffer.from(text),
);

async function* cut(bytes: Uint8Array, at: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const to of [...at].sort((a, b) => a - b)) {
    if (to > from && to < bytes.byteLength) {
      yield bytes.subarray(from, to);
      from = to;
    }
  }
  yield bytes.subarray(from);
}

async function read(bytes: Uint8Array, at: readonly number[] = []): Promise<readonly EventFrame[]> {
  const frames: EventFrame[] = [];
  for await (const frame of decodeFrames(cut(bytes, at))) frames.push(frame);
  return frames;
}

const frame = fc.record({
  headers: fc
    .dictionary(fc.string({ minLength: 1, maxLength: 40 }), fc.string({ maxLength: 300 }), {
      maxKeys: 4,
      noNullPrototype: true,
    })
    .map((headers) => new Map(Object.entries(headers))),
  payload: fc.uint8Array({ maxLength: 300 }),
});

const plain = ({ headers, payload }: EventFrame) => ({ headers: [...headers], payload: [...payload] });

describe("an event stream", () => {
  it("has the checksum of zip", () => {
    expect(crc32(Buffer.from("123456789"))).toBe(0xcbf43926);
  });

  it("is written as the AWS SDK writes it, and reads what the SDK wrote", async () => {
    await fc.assert(
      fc.asyncProperty(frame, async (each) => {
        const headers = Object.fromEntries(
          [...each.headers].map(([name, value]) => [name, { type: "string" as const, value }]),
        );
        const written = theirs.encode({ headers, body: each.payload });
        expect(Buffer.from(encodeFrame(each)).equals(written)).toBe(true);
        expect((await read(written)).map(plain)).toEqual([plain(each)]);
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  it("is the same however its bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 4 }), fc.array(fc.nat(1500)), async (frames, at) => {
        const bytes = Buffer.concat(frames.map(encodeFrame));
        expect((await read(bytes, at)).map(plain)).toEqual(frames.map(plain));
      }),
      { seed: 8, numRuns: 200 },
    );
  });

  it("with headers of every type is read", async () => {
    const headers = {
      yes: { type: "boolean", value: true },
      no: { type: "boolean", value: false },
      byte: { type: "byte", value: -3 },
      short: { type: "short", value: 1 },
      int: { type: "integer", value: 2 },
      bytes: { type: "binary", value: Uint8Array.of(1, 2, 3) },
      time: { type: "timestamp", value: new Date(1_700_000_000_000) },
      uuid: { type: "uuid", value: "00010203-0405-0607-0809-0a0b0c0d0e0f" },
      text: { type: "string", value: "hé" },
    } as const;
    const [only] = await read(theirs.encode({ headers, body: Uint8Array.of(9) }));
    expect(plain(only!)).toEqual({ headers: [["text", "hé"]], payload: [9] });
  });

  it("notices every bit that changed", async () => {
    const bytes = Buffer.from(encodeEvent({ kind: "part", bytes: Buffer.from("abc") }));
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      const broken = Buffer.from(bytes);
      broken[bit >> 3] = (broken[bit >> 3] as number) ^ (1 << (bit & 7));
      await expect(read(broken)).rejects.toMatchObject({ origin: "backend" });
    }
  });

  it("that ends inside a frame is told apart from one that is over", async () => {
    const bytes = encodeEvent({ kind: "part", bytes: Buffer.from("abc") });
    for (let to = 1; to < bytes.byteLength; to++) {
      await expect(read(bytes.subarray(0, to))).rejects.toMatchObject({ code: "unavailable" });
    }
    expect(await read(new Uint8Array(0))).toEqual([]);
  });

  it("with a frame beyond 16 MiB is refused before it is gathered", async () => {
    const head = Buffer.alloc(12);
    head.writeUInt32BE(0x7fffffff, 0);
    head.writeUInt32BE(crc32(head.subarray(0, 8)), 8);
    await expect(read(head)).rejects.toThrow("expected frames of at most 16908304 bytes, got 2147483647");
  });

  it("carries parts and errors there and back", async () => {
    const events: readonly StreamEvent[] = [
      { kind: "part", bytes: Buffer.from("abc") },
      { kind: "part", bytes: Buffer.from("") },
      { kind: "error", type: "ModelStreamError", code: "StreamBroken", message: "gone" },
      { kind: "error", type: "InternalStreamFailure", code: "", message: "ours" },
    ];
    const frames = await read(Buffer.concat(events.map(encodeEvent)));
    expect(
      frames.map(decodeEvent).map((each) => ({ ...each, ...("bytes" in each ? { bytes: String(each.bytes) } : {}) })),
    ).toEqual(events.map((each) => ({ ...each, ...("bytes" in each ? { bytes: String(each.bytes) } : {}) })));
    const headers = new Map([
      [":message-type", "error"],
      [":error-code", "500"],
      [":error-message", "no"],
    ]);
    expect(decodeEvent({ headers, payload: new Uint8Array(0) })).toEqual({
      kind: "error",
      type: "500",
      code: "500",
      message: "no",
    });
  });
});

describe("an error of the runtime API", () => {
  it.each(Object.keys(ERROR_STATUS) as (keyof typeof ERROR_STATUS)[])("%s goes there and back", (type) => {
    const error = { message: "m", originalStatus: 400, originalMessage: "o" };
    const { status, headers, body } = encodeError(type, error);
    expect(status).toBe(ERROR_STATUS[type]);
    expect(decodeError(new Map(Object.entries(headers)), body)).toEqual({ type, ...error });
    expect(decodeError(new Map(), body).type).toBe(type);
  });

  it.each([
    ["ModelError:http://internal.amazon.com/coral/", "ModelError"],
    ["com.amazonaws.sagemaker#ValidationError", "ValidationError"],
  ])("typed %s is a %s", (header, type) => {
    expect(decodeError(new Map([["x-amzn-errortype", header]]), Buffer.from("<html>"))).toEqual({ type, message: "" });
  });
});
