// Writes a WireReply to a socket: whole, in several buffers, or part by part as the socket drains; compressed if asked.

import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { constants, deflate, gzip } from "node:zlib";
import type { InferError } from "../core/error.ts";
import type { WireReply } from "../core/protocol.ts";

export interface Writing {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly reply: WireReply;
  readonly identity: { readonly id: string; readonly traceparent: string };
  /** The connection ends after this answer. */
  readonly close: boolean;
  /** Waited for when the answer is out and before the connection ends. */
  readonly settle: (() => Promise<void>) | undefined;
}

/** An answer smaller than this is not worth compressing, in bytes. */
const COMPRESS_FROM_BYTES = 1024;

/** Parts of an answer up to this size are copied together, in bytes. */
const JOIN_BYTES = 16 * 1024;

/** Answers up to this size are sent as text, in bytes. */
const TEXT_BYTES = 4096;

/** Resolves when the whole answer has been handed to the socket; rejects when the client has gone or a part fails. */
export async function writeReply(writing: Writing): Promise<void> {
  const { request, response, reply, identity, close, settle } = writing;
  const head: Record<string, string | number> = {
    ...reply.headers,
    "x-request-id": identity.id,
    traceparent: identity.traceparent,
  };
  if (close) head.connection = "close";
  if (response.destroyed) return;
  if (isStream(reply.body)) {
    response.writeHead(reply.status, head);
    await pump(reply.body, response);
    return;
  }
  let parts: readonly Uint8Array[] = reply.body instanceof Uint8Array ? [reply.body] : reply.body;
  const coding = codingFor(request.headers["accept-encoding"], byteLength(parts));
  if (coding !== undefined) {
    parts = [await compress(coding, parts)];
    head["content-encoding"] = coding;
    head.vary = "accept-encoding";
    if (response.destroyed) return;
  }
  head["content-length"] = byteLength(parts);
  response.writeHead(reply.status, head);
  // one small write costs less than several
  if (parts.length > 1 && byteLength(parts) <= JOIN_BYTES) parts = [Buffer.concat(parts)];
  const [only] = parts;
  if (only !== undefined && parts.length === 1 && settle === undefined) {
    // as text it leaves in one piece with the head, and Latin-1 has a letter for each byte
    if (only.byteLength <= TEXT_BYTES) response.end(latin1Of(only), "latin1");
    else response.end(only);
    return;
  }
  response.cork();
  for (const part of parts) if (part.byteLength > 0) response.write(part);
  if (settle !== undefined) {
    response.uncork();
    await settle();
  }
  response.end();
}

/** `{"error": ...}` for paths that belong to no protocol. */
export function plainError(status: number, error: InferError): WireReply {
  return {
    status,
    headers: { "content-type": "application/json", "sluice-error-origin": error.origin },
    body: Buffer.from(JSON.stringify({ error: error.message })),
  };
}

function latin1Of({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
}

function isStream(body: WireReply["body"]): body is AsyncIterable<Uint8Array> {
  return Symbol.asyncIterator in body;
}

async function pump(parts: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<void> {
  for await (const part of parts) {
    if (response.destroyed) return;
    if (!response.write(part)) await drained(response);
  }
  response.end();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}

function byteLength(parts: readonly Uint8Array[]): number {
  let total = 0;
  for (const part of parts) total += part.byteLength;
  return total;
}

type Coding = "gzip" | "deflate";

/** The coding that the client prefers of those we have; none for small answers or clients that take none. */
function codingFor(accept: string | string[] | undefined, bytes: number): Coding | undefined {
  if (typeof accept !== "string" || bytes < COMPRESS_FROM_BYTES) return undefined;
  let best: Coding | undefined;
  let bestQuality = 0;
  for (const offer of accept.split(",")) {
    const [name = "", ...options] = offer.split(";");
    const coding = name.trim().toLowerCase();
    if (coding !== "gzip" && coding !== "deflate") continue;
    const quality = Number(
      options
        .find((option) => option.trim().startsWith("q="))
        ?.trim()
        .slice(2) ?? "1",
    );
    if (quality > bestQuality) {
      best = coding;
      bestQuality = quality;
    }
  }
  return best;
}

const gzipAsync = promisify(gzip);
const deflateAsync = promisify(deflate);

function compress(coding: Coding, parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const whole = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
  // the fastest level: the answer is on its way to a client that waits
  const options = { level: constants.Z_BEST_SPEED };
  return coding === "gzip" ? gzipAsync(whole, options) : deflateAsync(whole, options);
}
