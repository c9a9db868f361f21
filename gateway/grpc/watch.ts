// Looks at every stream of HTTP/2 before the gRPC library takes it: for what the library neither counts nor gets right.

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Budget, Holding } from "../budget.ts";

export interface Watching {
  /** Whether a connection is the listener's: Node tells of every stream in the process. */
  isOurs(connection: Connection): boolean;
  readonly budget: Budget;
}

/** What tells a connection from others; sessions hide their sockets themselves. */
export type Connection = Pick<Socket, "remoteAddress" | "remotePort" | "localPort">;

/** Source: Node, diagnostics_channel, HTTP/2. */
const CREATED = "http2.server.stream.created";

/**
 * Counts the bytes of messages that have begun and are not whole, which the library holds, within the budget: a stream
 * that goes beyond is reset with ENHANCE_YOUR_CALM, which clients of gRPC read as RESOURCE_EXHAUSTED. And shortens deadlines
 * that the library would take for negative. The answer ends it.
 */
export function watchStreams(watching: Watching): () => void {
  const onCreated = (told: unknown) => {
    const { stream, headers } = told as { readonly stream: ServerHttp2Stream; readonly headers: IncomingHttpHeaders };
    const { session } = stream;
    if (session === undefined || session.destroyed || !watching.isOurs(session.socket)) return;
    const timeout = headers["grpc-timeout"];
    if (typeof timeout === "string" && isTooLong(timeout)) headers["grpc-timeout"] = LONGEST;
    countPartial(stream, watching.budget.open("pieces"));
  };
  subscribe(CREATED, onCreated);
  return () => void unsubscribe(CREATED, onCreated);
}

/** The library counts milliseconds in 32 bits with a sign: 24 days. */
const LONGEST = "2147483S";
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000 };

function isTooLong(timeout: string): boolean {
  const [, digits = "0", unit = ""] = /^(\d{1,8})([HMS])$/.exec(timeout) ?? [];
  return Number(digits) * (UNIT_MS[unit] ?? 0) >= 2 ** 31;
}

/** Bytes before each message: whether it is compressed, and its length. Source: grpc/grpc doc/PROTOCOL-HTTP2.md. */
const PREFIX_BYTES = 5;

function countPartial(stream: ServerHttp2Stream, holding: Holding): void {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  let inPrefix = 0;
  let left = 0;
  let held = 0;
  const message = (chunk: Buffer, from: number): number => {
    if (inPrefix < PREFIX_BYTES) {
      const got = chunk.copy(prefix, inPrefix, from, from + PREFIX_BYTES - inPrefix);
      inPrefix += got;
      if (inPrefix === PREFIX_BYTES) left = prefix.readUInt32BE(1);
      return from + got;
    }
    const got = Math.min(left, chunk.byteLength - from);
    left -= got;
    held += got;
    holding.grow(got);
    return from + got;
  };
  const take = (chunk: Buffer) => {
    for (let from = 0; from < chunk.byteLength; ) {
      from = message(chunk, from);
      if (inPrefix < PREFIX_BYTES || left > 0) continue;
      // whole: whoever reads it counts it from here on
      inPrefix = 0;
      holding.shrink(held);
      held = 0;
    }
  };
  stream.on("data", (chunk: Buffer) => {
    try {
      take(chunk);
    } catch {
      holding.release();
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    }
  });
  stream.once("close", () => holding.release());
}
