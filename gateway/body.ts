// Reads a request's body whole: within its limits, counted against the budget, decompressed.

import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { createGunzip, createInflate } from "node:zlib";
import type { Clock } from "../core/env.ts";
import { InferError, invalid } from "../core/error.ts";
import type { Holding } from "./budget.ts";
import type { Intake } from "./intake.ts";

export interface BodyLimits {
  /** The largest body, as sent and again after decompression, in bytes. */
  readonly maxBytes: number;
  /** Shared by all bodies of the process. */
  readonly intake: Intake;
}

/** What a client may send as Content-Encoding, for the answer to one it may not. */
export const REQUEST_ENCODINGS = "gzip, deflate";

const EMPTY = new Uint8Array(0);

/**
 * The body as one buffer. A body that says it is too large is refused before any of it is kept.
 *
 * @throws InferError too-large, overloaded (the budget), invalid-argument (damaged compression), unsupported (an
 *   unknown Content-Encoding), cancelled (the client left in mid-body)
 */
export async function readBody(request: IncomingMessage, limits: BodyLimits, holding: Holding): Promise<Uint8Array> {
  const declared = declaredLength(request);
  if (declared === 0) return EMPTY;
  // it left while the request waited for its turn: there is no event to come
  if (request.destroyed) throw gone();
  if (declared !== undefined && declared > limits.maxBytes) throw tooLarge(declared, limits.maxBytes);
  const inflate = decompressor(request.headers["content-encoding"]);
  if (inflate === undefined) return collect(request, { declared, limits, holding });
  // the compressed bytes are bounded by their own Content-Length or by what comes out of them; errors of the source
  // must reach the end of the pipe, which pipe() alone does not see to
  request.once("close", () => {
    if (!request.complete) inflate.destroy(gone());
  });
  request.pipe(inflate);
  try {
    return await collect(inflate, { declared: undefined, limits, holding });
  } catch (error) {
    request.unpipe(inflate);
    inflate.destroy();
    if (error instanceof InferError) throw error;
    throw invalid(`the body is not valid ${request.headers["content-encoding"]}: ${(error as Error).message}`);
  }
}

/** The end of a refused body is waited for while it comes: at most these bytes more, and no pause longer than this. */
const DISCARD_BYTES = 256 * 1024 * 1024;
const DISCARD_PAUSE_MS = 1_000;

/**
 * Reads a refused body to its end and drops it, within bounds: ended at once, the connection would be reset under a
 * client that still sends, and with it the answer that says why. Never rejects.
 */
export function discardRest(request: IncomingMessage, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    let dropped = 0;
    let stopTimer = clock.after(DISCARD_PAUSE_MS, resolve);
    const done = () => {
      stopTimer();
      resolve();
    };
    request.on("data", (chunk: Buffer) => {
      stopTimer();
      dropped += chunk.byteLength;
      if (dropped > DISCARD_BYTES) resolve();
      else stopTimer = clock.after(DISCARD_PAUSE_MS, resolve);
    });
    request.once("end", done);
    request.once("close", done);
    request.once("error", done);
    request.resume();
  });
}

export function hasBody(request: IncomingMessage): boolean {
  return declaredLength(request) !== 0;
}

function declaredLength(request: IncomingMessage): number | undefined {
  const header = request.headers["content-length"];
  if (header !== undefined) return Number(header);
  return request.headers["transfer-encoding"] === undefined ? 0 : undefined;
}

function decompressor(encoding: string | undefined): ReturnType<typeof createGunzip> | undefined {
  if (encoding === undefined) return undefined;
  switch (encoding.trim().toLowerCase()) {
    case "":
    case "identity":
      return undefined;
    case "gzip":
    case "x-gzip":
      return createGunzip();
    case "deflate":
      return createInflate();
    default:
      throw new InferError("unsupported", `content-encoding: expected gzip, deflate or identity, got "${encoding}"`);
  }
}

interface CollectOptions {
  readonly declared: number | undefined;
  readonly limits: BodyLimits;
  readonly holding: Holding;
}

function collect(source: Readable, options: CollectOptions): Promise<Uint8Array> {
  const { declared, limits, holding } = options;
  return new Promise((resolve, reject) => {
    let whole: Buffer | undefined;
    let chunks: Buffer[] = [];
    let got = 0;
    let settled = false;
    const fail = (error: unknown) => {
      if (settled) return;
      settled = true;
      chunks = [];
      whole = undefined;
      source.off("data", onData);
      source.resume();
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      const bytes = chunk.byteLength;
      try {
        got += bytes;
        if (got > limits.maxBytes) throw tooLarge(got, limits.maxBytes);
        if (declared === undefined) holding.grow(bytes);
        // the common small body arrives in one piece and is used as it lies
        if (declared === undefined || bytes === declared) chunks.push(chunk);
        else {
          whole ??= holding.room(declared);
          whole.set(chunk, got - bytes);
          free(chunk);
        }
        if (!limits.intake.took(bytes)) return;
        source.pause();
        void limits.intake.nextTurn().then(() => source.resume());
      } catch (error) {
        fail(error);
      }
    };
    try {
      if (declared !== undefined) holding.grow(declared);
    } catch (error) {
      fail(error);
      return;
    }
    source.on("data", onData);
    source.once("end", () => {
      if (settled) return;
      settled = true;
      resolve(whole?.subarray(0, got) ?? joined(chunks, got, limits.intake));
    });
    source.once("error", (error: NodeJS.ErrnoException) => fail(error.code === "ECONNRESET" ? gone() : error));
    source.once("close", () => {
      if (!settled) fail(gone());
    });
  });
}

/**
 * Gives a copied piece of a body back at once. Node's parser makes each piece a buffer of its own that nobody else has; left
 * to V8 they are half of the garbage outside its heap, of which every 64 MB has the whole heap marked.
 */
function free(piece: Buffer): void {
  const { buffer } = piece;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === piece.byteLength) buffer.transfer(0);
}

/** The chunks as one buffer, copied over several turns where they are many. */
async function joined(chunks: readonly Buffer[], bytes: number, intake: Intake): Promise<Uint8Array> {
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return only;
  const whole = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
    if (intake.took(chunk.byteLength)) await intake.nextTurn();
  }
  return whole;
}

function tooLarge(bytes: number, maxBytes: number): InferError {
  return new InferError("too-large", `body: expected at most ${maxBytes} bytes, got ${bytes} or more`);
}

function gone(): InferError {
  return new InferError("cancelled", "the client left before its body was whole");
}
