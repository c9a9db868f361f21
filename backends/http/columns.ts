// Requests to servers that take a JSON object of named values: tensors as columns, opaque payloads as they are or as files of a form.

import type { InferRequest } from "../../core/request.ts";
import { writeColumns, writeValue } from "../../wire/json-rows-write.ts";
import { finishWriter, openWriter } from "../../wire/json-write.ts";
import { encodeMultipart, type FormPart, formType } from "../../wire/multipart.ts";
import { contentTypeOf, filenameOf, payloadOf } from "../../wire/opaque.ts";
import { openPace, type Sliced, type SliceOptions } from "../../wire/sliced.ts";
import type { Door } from "../connection.ts";
import { inputBytes, SMALL_BYTES } from "./answers.ts";

/** A body to be sent, and the headers that belong to it. */
export interface SentBody {
  readonly parts: readonly Uint8Array[];
  readonly headers: Readonly<Record<string, string>>;
}

export interface WriteInputs {
  readonly door: Pick<Door, "run" | "env">;
  readonly signal: AbortSignal;
  /** `named`: an object of the inputs; `bare`: the one input's value itself. */
  readonly form: "named" | "bare";
  /** Whether a single opaque payload is the body itself rather than a file of a form. */
  readonly isBody: (contentType: string) => boolean;
}

/**
 * The body of a request. Numbers are exact and floats keep a fraction, so that a server without types sees floats; NaN
 * and infinities are bare tokens, which Python's json reads.
 *
 * @throws InferError unsupported for a tensor that JSON cannot carry
 */
export async function writeInputs(request: InferRequest, how: WriteInputs): Promise<SentBody> {
  const { door, signal, form } = how;
  const [first, ...others] = request.inputs;
  const type = first === undefined ? undefined : contentTypeOf(first);
  if (first !== undefined && others.length === 0 && type !== undefined && how.isBody(type)) {
    return { parts: [payloadOf(first)], headers: { "content-type": type } };
  }
  const small = inputBytes(request) <= SMALL_BYTES;
  if (request.inputs.some((input) => contentTypeOf(input) !== undefined)) {
    const boundary = randomBoundary(door.env.random);
    const parts = await door.run(writeForm(request, boundary), { small, signal });
    return { parts, headers: { "content-type": formType(boundary) } };
  }
  const parts = await door.run(writeObject(request, form), { small, signal });
  return { parts, headers: { "content-type": "application/json" } };
}

/** The inputs as one JSON object, or the only one's value. */
export function* writeObject(
  request: InferRequest,
  form: "named" | "bare",
  options: SliceOptions = {},
): Sliced<readonly Uint8Array[]> {
  const w = openWriter();
  yield* writeColumns(w, request.inputs, { word: "input", pace: openPace(options), form, floats: "fraction" });
  return finishWriter(w).parts;
}

function* writeForm(request: InferRequest, boundary: string): Sliced<readonly Uint8Array[]> {
  const parts: FormPart[] = [];
  for (const input of request.inputs) {
    const contentType = contentTypeOf(input);
    if (contentType !== undefined) {
      const filename = filenameOf(input) ?? input.name;
      parts.push({ name: input.name, filename, contentType, body: payloadOf(input) });
      continue;
    }
    const w = openWriter();
    yield* writeValue(w, input, { word: "input", pace: openPace({}), form: "bare", floats: "fraction" });
    const text = Buffer.concat(finishWriter(w).parts);
    // a field of a form is text: a lone string stands there without its quotes
    const isText = input.datatype === "BYTES" && input.shape.length === 0;
    parts.push({ name: input.name, body: isText ? payloadOf(input) : text });
  }
  return encodeMultipart(parts, boundary);
}

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/** 32 letters that no part holds but by an accident of 1 in 10^57. */
export function randomBoundary(random: () => number): string {
  return Array.from({ length: 32 }, () => LETTERS[Math.floor(random() * LETTERS.length)]).join("");
}
