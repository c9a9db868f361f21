// JSON Lines: a row a line, to and from tensors. Source: jsonlines.org; SageMaker's containers call it application/jsonlines.

import { invalid } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import { type ReadMany, readRows } from "./json-rows.ts";
import { writeColumns } from "./json-rows-write.ts";
import { skipSpace, syntaxError } from "./json-scan.ts";
import { openJson } from "./json-tree.ts";
import { finishWriter, openWriter, put } from "./json-write.ts";
import { hasRowLines, ROW_BYTES, writeRowLines } from "./row-lines.ts";
import { isDue, openPace, type Sliced, type SliceOptions } from "./sliced.ts";
import { splitRows } from "./split-rows.ts";

/** Source: aws/sagemaker-inference-toolkit, content_types.py. */
export const JSON_LINES_TYPE = "application/jsonlines";

/**
 * Writes an object of named values a line, or the bare value of a single tensor.
 *
 * @throws InferError unsupported for tensors without equal first dimensions, or for an element that JSON cannot carry
 */
export function* encodeJsonLines(
  tensors: readonly Tensor[],
  form: "bare" | "named",
  options: SliceOptions = {},
): Sliced<readonly Uint8Array[]> {
  const [first] = tensors;
  if (form === "bare" && first !== undefined && hasRowLines(first)) {
    return yield* writeRowLines(first, { brackets: true, floats: "fraction" }, options);
  }
  const w = openWriter();
  const pace = openPace(options);
  for (const row of splitRows(tensors)) {
    yield* writeColumns(w, row, { word: "input", pace, form, floats: "fraction" });
    put(w, "\n");
    if (isDue(pace, ROW_BYTES * row.length)) yield;
  }
  return finishWriter(w).parts;
}

/**
 * Reads a row a line, blank lines left out.
 *
 * @throws InferError invalid-argument for lines that are no JSON, and all that `readRows` refuses
 */
export function* decodeJsonLines(
  body: Uint8Array,
  many: Omit<ReadMany, "depth">,
  options: SliceOptions & { readonly maxNesting: number },
): Sliced<readonly Tensor[]> {
  const s = yield* openJson(yield* asList(body, options), options);
  const { tensors } = yield* readRows(s, { ...many, depth: 0 });
  if (skipSpace(s) !== 0 || s.at < s.end) throw syntaxError(s, "the end of the text");
  return tensors;
}

/** Looked through between two stops. */
const WINDOW_BYTES = 256 * 1024;

// `a\nb\n` as `[a,b]`: a line's end cannot stand inside of a JSON value in this form, save as white space, which is refused.
function* asList(body: Uint8Array, options: SliceOptions): Sliced<Uint8Array> {
  const pace = openPace(options);
  const list = Buffer.allocUnsafe(body.byteLength + 2);
  list[0] = 0x5b;
  let at = 1;
  let isBlank = true;
  let hasRow = false;
  for (let from = 0; from < body.byteLength; from += WINDOW_BYTES) {
    const to = Math.min(body.byteLength, from + WINDOW_BYTES);
    for (let i = from; i < to; i++) {
      const byte = body[i] as number;
      if (byte === 0x0a) {
        isBlank = true;
        continue;
      }
      const isSpace = byte === 0x20 || byte === 0x0d || byte === 0x09;
      if (isBlank && isSpace) continue;
      if (isBlank && hasRow) list[at++] = 0x2c;
      isBlank = false;
      hasRow = true;
      list[at++] = byte;
    }
    if (isDue(pace, to - from)) yield;
  }
  if (!hasRow) throw invalid("expected lines of JSON, got none; an input without rows goes in as JSON");
  list[at++] = 0x5d;
  return list.subarray(0, at);
}
