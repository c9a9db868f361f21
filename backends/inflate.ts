// Unpacks answers that a server sent compressed, within a limit.

import { pipeline, Readable, type Transform } from "node:stream";
import {
  brotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  gunzip,
  inflate,
  inflateRaw,
  zstdDecompress,
} from "node:zlib";
import { InferError } from "../core/error.ts";
import { answerTooLarge } from "./http-errors.ts";

/** One packing that can be undone. */
type Packing = "gzip" | "deflate" | "br" | "zstd";

const PACKINGS: Readonly<Record<string, Packing>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  br: "br",
  zstd: "zstd",
};

/** More than one is lawful and never seen; a long list is an attack. */
const MOST_PACKINGS = 2;

/**
 * What must be undone, in the order in which to undo it; empty for a body that is not packed.
 *
 * @throws InferError bad-backend for a content-encoding that we cannot undo
 */
export function packingsOf(encoding: string | undefined): readonly Packing[] {
  if (encoding === undefined) return [];
  const words = encoding
    .toLowerCase()
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "" && word !== "identity");
  if (words.length > MOST_PACKINGS) throw cannot(encoding);
  return words.reverse().map((word) => {
    const packing = Object.hasOwn(PACKINGS, word) ? PACKINGS[word] : undefined;
    if (packing === undefined) throw cannot(encoding);
    return packing;
  });
}

/**
 * The body unpacked, off the event loop.
 *
 * @throws InferError bad-backend when it comes to more than `maxBytes` or is damaged
 */
export async function unpack(body: Uint8Array, packings: readonly Packing[], maxBytes: number): Promise<Uint8Array> {
  let bytes = body;
  for (const packing of packings) {
    // an empty body is empty in any packing: servers answer so without one
    if (bytes.byteLength > 0) bytes = await unpackOne(bytes, packing, maxBytes);
  }
  return bytes;
}

/** The same for parts as they come; a reader who stops stops the source. */
export function unpackParts(parts: AsyncIterable<Uint8Array>, packings: readonly Packing[]): AsyncIterable<Uint8Array> {
  if (packings.length === 0) return parts;
  const steps = packings.map(stepFor);
  const last = pipeline([Readable.from(parts, { objectMode: false }), ...steps], () => {}) as unknown as Transform;
  return translated(last, packings);
}

async function* translated(
  source: AsyncIterable<Uint8Array>,
  packings: readonly Packing[],
): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    throw error instanceof InferError ? error : damaged(packings.join(", "), error);
  }
}

function unpackOne(bytes: Uint8Array, packing: Packing, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    // zlib takes no limit of 0
    const options = { maxOutputLength: Math.max(1, maxBytes) };
    const done = (error: Error | null, whole: Buffer) => {
      if (error === null) resolve(whole);
      else if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
        reject(answerTooLarge(maxBytes, `more when unpacked (${packing})`));
      } else reject(damaged(packing, error));
    };
    switch (packing) {
      case "gzip":
        return gunzip(bytes, options, done);
      case "deflate":
        // deflate means zlib's format (RFC 9110, 8.4.1.2), but some servers send it bare
        return (isZlib(bytes) ? inflate : inflateRaw)(bytes, options, done);
      case "br":
        return brotliDecompress(bytes, options, done);
      case "zstd":
        return zstdDecompress(bytes, options, done);
      default: {
        const never: never = packing;
        throw new Error(`unknown packing ${never}`);
      }
    }
  });
}

function stepFor(packing: Packing): Transform {
  switch (packing) {
    case "gzip":
      return createGunzip();
    case "deflate":
      return createInflate();
    case "br":
      return createBrotliDecompress();
    case "zstd":
      return createZstdDecompress();
    default: {
      const never: never = packing;
      throw new Error(`unknown packing ${never}`);
    }
  }
}

/** The two bytes of a zlib header: method 8, and a multiple of 31. Source: RFC 1950, 2.2. */
function isZlib(bytes: Uint8Array): boolean {
  const [first = 0, second = 0] = bytes;
  return (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0;
}

function damaged(packing: string, cause: unknown): InferError {
  return new InferError("bad-backend", `the backend's answer is not valid ${packing}`, { cause });
}

function cannot(encoding: string): InferError {
  const shown = encoding.slice(0, 40);
  return new InferError(
    "bad-backend",
    `the backend's answer: expected gzip, deflate, br, zstd or no content-encoding, got "${shown}"`,
  );
}
