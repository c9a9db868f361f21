// A tensor of numbers written a row a line, fast: its nested JSON array with the outer commas turned into ends of lines.

import { elementCount, type Tensor } from "../core/tensor.ts";
import { type WriteRows, writeValue } from "./json-rows-write.ts";
import { finishWriter, openWriter } from "./json-write.ts";
import type { Sliced, SliceOptions } from "./sliced.ts";
import { openPace } from "./sliced.ts";

/** What a row costs beside its bytes where each is written by itself. */
export const ROW_BYTES = 1024;

/** How rows become lines. */
export interface RowLines {
  /** Each row's own brackets stay, as in JSON Lines; CSV has none. */
  readonly brackets: boolean;
  readonly floats?: NonNullable<WriteRows["floats"]>;
}

/** Whether a tensor can be written so: numbers with rows. */
export function hasRowLines({ datatype, shape }: Tensor): boolean {
  return datatype !== "BYTES" && shape.length > 0 && elementCount(shape) > 0;
}

/** Looked through between two stops. */
const WINDOW_BYTES = 256 * 1024;

/** The lines of a tensor for which `hasRowLines` says yes. */
export function* writeRowLines(
  tensor: Tensor,
  { brackets, floats }: RowLines,
  options: SliceOptions = {},
): Sliced<readonly Uint8Array[]> {
  const w = openWriter();
  const how = { word: "input", pace: openPace(options), form: "bare" } as const;
  yield* writeValue(w, tensor, floats === undefined ? how : { ...how, floats });
  const { parts, length } = finishWriter(w);
  const lines = Buffer.allocUnsafe(length);
  let depth = 0;
  let at = 0;
  for (const part of parts) {
    for (let from = 0; from < part.byteLength; from += WINDOW_BYTES) {
      const to = Math.min(part.byteLength, from + WINDOW_BYTES);
      for (let i = from; i < to; i++) {
        const byte = part[i] as number;
        if (byte === 0x5d) depth -= 1;
        const isBracket = byte === 0x5b || byte === 0x5d;
        // numbers hold neither brackets nor commas
        if (!isBracket) lines[at++] = byte === 0x2c && depth === 1 ? 0x0a : byte;
        else if (brackets && depth > 0) lines[at++] = byte;
        if (byte === 0x5b) depth += 1;
      }
      yield;
    }
  }
  lines[at++] = 0x0a;
  return [lines.subarray(0, at)];
}
