// How the parts of an HTTP answer become a body: whole in one buffer, or as they come with the reader's pace.

import { InferError } from "../core/error.ts";
import type { AnswerHeaders } from "./connection.ts";
import { answerTooLarge } from "./http-errors.ts";

/** What the receiver of an answer may do to the connection. */
export interface Flow {
  pause(): void;
  resume(): void;
  /** Ends the exchange; the server sees the connection close. */
  cancel(reason: InferError): void;
}

const EMPTY = new Uint8Array(0);
/** Copied in one turn of the loop, about a millisecond. */
const COPY_BYTES = 4 * 1024 * 1024;

/** The headers of an answer, and how long its body says it is. */
export interface Head {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** In bytes; undefined when the answer does not say. */
  readonly length: number | undefined;
}

export interface Collector {
  /** @throws InferError bad-backend when the body is larger than the limit */
  add(part: Uint8Array): void;
  /** The whole body. One that came in one piece is that piece; it may be a promise where much is copied. */
  whole(): Uint8Array | Promise<Uint8Array>;
}

/**
 * Collects a body of at most `maxBytes`. With its length known it is copied once, as it comes.
 *
 * @throws InferError bad-backend when the length said is over the limit, before any of it is read
 */
export function collect(length: number | undefined, maxBytes: number): Collector {
  if (length !== undefined && length > maxBytes) throw answerTooLarge(maxBytes, String(length));
  let parts: Uint8Array[] = [];
  let target: Uint8Array | undefined;
  let got = 0;
  return {
    add(part) {
      const at = got;
      got += part.byteLength;
      if (got > maxBytes) throw answerTooLarge(maxBytes, "more");
      if (length === undefined || part.byteLength === length) {
        parts.push(part);
        return;
      }
      // undici refuses an answer that goes beyond its content-length, so it fits
      target ??= Buffer.allocUnsafeSlow(length);
      target.set(part, at);
      free(part);
    },
    whole() {
      if (target !== undefined) return target;
      const [only] = parts;
      if (only === undefined) return EMPTY;
      if (parts.length === 1) return only;
      const all = parts;
      parts = [];
      return join(all, got);
    },
  };
}

/**
 * Gives a copied piece back at once, when nobody else can have it: left to V8, such pieces make it mark the whole heap for
 * every 64 MB of them.
 */
function free(piece: Uint8Array): void {
  const { buffer } = piece;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === piece.byteLength) buffer.transfer(0);
}

function join(parts: readonly Uint8Array[], bytes: number): Uint8Array | Promise<Uint8Array> {
  const target = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  let index = 0;
  const some = () => {
    for (let copied = 0; index < parts.length && copied < COPY_BYTES; index += 1) {
      const part = parts[index] ?? EMPTY;
      target.set(part, at);
      at += part.byteLength;
      copied += part.byteLength;
      free(part);
    }
    return index === parts.length;
  };
  if (some()) return target;
  return new Promise((resolve) => {
    const turn = () => {
      if (some()) resolve(target);
      else setImmediate(turn);
    };
    setImmediate(turn);
  });
}

/** A body that is read as it comes. */
export interface PartsQueue {
  readonly parts: AsyncIterable<Uint8Array>;
  add(part: Uint8Array): void;
  end(): void;
  fail(error: InferError): void;
}

/**
 * Parts for one reader. The connection is paused as soon as a part waits for it, so that a reader who is busy stops the
 * server; it is cancelled when the reader stops before the end.
 */
export function queueParts(flow: Flow): PartsQueue {
  const ready: Uint8Array[] = [];
  let over: { readonly error?: InferError } | undefined;
  let wanted: { resolve(result: IteratorResult<Uint8Array>): void; reject(error: InferError): void } | undefined;

  const settle = (end: { readonly error?: InferError }) => {
    if (over !== undefined) return;
    over = end;
    const waiter = wanted;
    wanted = undefined;
    if (waiter === undefined) return;
    if (end.error === undefined) return waiter.resolve({ done: true, value: undefined });
    // told once: whoever goes on reading is at the end
    over = {};
    return waiter.reject(end.error);
  };
  const next = (): Promise<IteratorResult<Uint8Array>> => {
    const part = ready.shift();
    if (part !== undefined) return Promise.resolve({ done: false, value: part });
    if (over?.error !== undefined) {
      const { error } = over;
      over = {};
      return Promise.reject(error);
    }
    if (over !== undefined) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      wanted = { resolve, reject };
      flow.resume();
    });
  };
  const stop = (): Promise<IteratorResult<Uint8Array>> => {
    ready.length = 0;
    if (over === undefined) {
      settle({});
      flow.cancel(new InferError("cancelled", "the reader stopped before the end of the answer"));
    }
    return Promise.resolve({ done: true, value: undefined });
  };
  const iterator: AsyncIterator<Uint8Array> = { next, return: stop };

  return {
    parts: { [Symbol.asyncIterator]: () => iterator },
    add(part) {
      const waiter = wanted;
      if (waiter === undefined) {
        ready.push(part);
        flow.pause();
        return;
      }
      wanted = undefined;
      waiter.resolve({ done: false, value: part });
    },
    end: () => settle({}),
    fail: (error) => settle({ error }),
  };
}
