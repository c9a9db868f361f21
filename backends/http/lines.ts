// Streamed answers of servers without a frame of their own around each part: chunks as they come, or one part a line.

import { InferError } from "../../core/error.ts";
import type { InferResponse, InferStream, ResolvedModel } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import { opaqueTensor } from "../../wire/opaque.ts";
import { BARE_OUTPUT } from "./answers.ts";

/** How the parts of a stream are told apart: each piece as it came off the network, or each line. */
export type PartsWord = "chunks" | "lines";

export interface ReadParts {
  readonly model: ResolvedModel;
  readonly by: PartsWord;
  readonly contentType: string;
  /** The output that holds a piece as it came; the usual one when absent. */
  readonly name?: string;
  /** Reads a line as tensors; undefined gives it as it is. */
  readonly read: (line: Uint8Array) => Promise<readonly Tensor[]>;
}

/** A line beyond this is refused rather than gathered. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** The stream whose parts are those of an answer. It ends as the answer does. */
export function streamOf(parts: AsyncIterable<Uint8Array>, how: ReadParts): InferStream {
  return { kind: "stream", parts: readParts(parts, how) };
}

async function* readParts(parts: AsyncIterable<Uint8Array>, how: ReadParts): AsyncGenerator<InferResponse> {
  const { model } = how;
  const pieces = how.by === "lines" ? splitLines(parts) : parts;
  for await (const piece of pieces) {
    if (piece.byteLength === 0) continue;
    const outputs =
      how.by === "lines"
        ? await how.read(piece)
        : [opaqueTensor(how.name ?? BARE_OUTPUT, piece, { contentType: how.contentType })];
    yield { kind: "whole", model, outputs, parameters: new Map() };
  }
}

/**
 * The lines of a text that comes in pieces, without their ends (\n or \r\n); the last one may lack its own.
 *
 * @throws InferError bad-backend for a line of over 16 MiB
 */
export async function* splitLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const held: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    let from = 0;
    for (let end = piece.indexOf(0x0a); end >= 0; end = piece.indexOf(0x0a, from)) {
      yield withoutReturn(joined(held, piece.subarray(from, end)));
      held.length = 0;
      bytes = 0;
      from = end + 1;
    }
    if (from === piece.byteLength) continue;
    held.push(piece.subarray(from));
    bytes += piece.byteLength - from;
    if (bytes > MAX_LINE_BYTES) {
      throw new InferError(
        "bad-backend",
        `the backend's answer: expected lines of at most ${MAX_LINE_BYTES} bytes, got more`,
      );
    }
  }
  if (held.length > 0) yield withoutReturn(joined(held, new Uint8Array(0)));
}

function joined(held: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  return held.length === 0 ? last : Buffer.concat([...held, last]);
}

function withoutReturn(line: Uint8Array): Uint8Array {
  return line[line.byteLength - 1] === 0x0d ? line.subarray(0, -1) : line;
}
