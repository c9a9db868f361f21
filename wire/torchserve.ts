// TorchServe's bodies, both ways: JSON instances, bare JSON, raw bytes, forms, and the envelopes of KServe's two protocols.

import { InferError, invalid } from "../core/error.ts";
import type { InferRequest, InferResponse } from "../core/request.ts";
import { elementCount, type Tensor } from "../core/tensor.ts";
import { type RowSpec, readValue } from "./json-rows.ts";
import { type WriteRows, writeColumns, writeRows, writeValue } from "./json-rows-write.ts";
import { skipSpace, syntaxError } from "./json-scan.ts";
import { openJson } from "./json-tree.ts";
import { finishWriter, openWriter, put, putString } from "./json-write.ts";
import {
  decodeRequest as decodeV1,
  encodeRequest as encodeV1,
  encodeResponse as encodeV1Answer,
  JSON_TYPE,
  type KnownRows,
  readRowValue,
} from "./kserve-v1.ts";
import { boundaryOf, decodeMultipart, encodeMultipart, type FormPart, formType } from "./multipart.ts";
import { decodeRequest as decodeV2, encodeResponse as encodeV2Answer, JSON_FORM } from "./oip-binary.ts";
import { DEFAULT_WIRE_LIMITS } from "./oip-json.ts";
import { contentTypeOf, filenameOf, isOneElement, mediaType, payloadOf, readOpaque, UNKNOWN_TYPE } from "./opaque.ts";
import { openPace, type Sliced, type SliceOptions } from "./sliced.ts";

/**
 * How a model's handler takes its input. `json-instances`: `{"instances": [row, ...]}`; `json`: the value of the only
 * input, or an object of inputs; `raw`: the only input's bytes with their content type; `multipart`: each input a part;
 * `kserve-v1` and `kserve-v2`: what a server takes that was started with that envelope.
 */
export const FORMATS = ["json-instances", "json", "raw", "multipart", "kserve-v1", "kserve-v2"] as const;
export type Format = (typeof FORMATS)[number];

/** The name of the only input or output where nothing names it. Source: what handlers see of a body that is no form. */
export const BODY_NAME = "body";

/** A body, and what it says it is. */
export interface TypedBody {
  readonly parts: readonly Uint8Array[];
  readonly contentType: string;
}

/**
 * Writes a request's inputs. An only input that is JSON already, raw payloads and the files of forms are passed on
 * without a copy.
 *
 * @param how.boundary divides the parts of a form: 32 random letters
 * @throws InferError invalid-argument where the format takes one input and there are several; unsupported for values that
 * the format cannot carry
 */
export function* encodeRequest(
  request: InferRequest,
  how: { readonly format: Format; readonly boundary: string },
  options: SliceOptions = {},
): Sliced<TypedBody> {
  const { inputs } = request;
  const { format, boundary } = how;
  if (format === "raw") return rawBody(inputs, "input");
  if (format === "multipart") {
    return { parts: encodeMultipart(yield* encodeParts(inputs, options), boundary), contentType: formType(boundary) };
  }
  const ready = readyJson(inputs);
  if (ready !== undefined) return ready;
  switch (format) {
    case "json-instances":
      return json(yield* encodeV1(inputs, { odd: "token" }, options));
    case "kserve-v1":
      return json(yield* encodeV1(inputs, {}, options));
    case "kserve-v2":
      return json(yield* writeV2(inputs, options));
    case "json":
      return json(yield* writeJson(inputs, { word: "input", options }));
    default:
      return format satisfies never;
  }
}

/** Writes each input as a part of a form: a payload as it is, JSON for any other tensor. */
export function* encodeParts(inputs: readonly Tensor[], options: SliceOptions = {}): Sliced<readonly FormPart[]> {
  const parts: FormPart[] = [];
  for (const input of inputs) parts.push(yield* writePart(input, options));
  return parts;
}

/** What is known of a request before it is read. */
export interface KnownRequest extends KnownRows {
  readonly format: Format;
  readonly contentType: string | undefined;
}

/**
 * Reads a request's inputs by the signature's names and types; without one, a body or a part of a form that is not in
 * rows is an opaque payload.
 *
 * @throws InferError invalid-argument for a body that is not in the format
 */
export function* decodeRequest(
  body: Uint8Array,
  known: KnownRequest,
  options: SliceOptions = {},
): Sliced<readonly Tensor[]> {
  const { format, contentType, specs, limits = DEFAULT_WIRE_LIMITS } = known;
  switch (format) {
    case "json-instances":
    case "kserve-v1":
      return yield* decodeV1(body, known, options);
    case "kserve-v2":
      return (yield* decodeV2(body, { ...options, limits })).inputs;
    case "json":
      return yield* readJson(body, { word: "input", known, options });
    case "raw":
      return [yield* readOpaque(specs?.[0]?.name ?? BODY_NAME, body, { contentType: contentType ?? UNKNOWN_TYPE })];
    case "multipart":
      return yield* readParts(body, known, options);
    default:
      return format satisfies never;
  }
}

/**
 * Writes an answer as a handler of that format would: JSON instances as a list of rows, `json` as a value or an object of
 * outputs, raw bytes and forms as one payload, else as one JSON value.
 *
 * @throws InferError unsupported for values that JSON cannot carry
 */
export function* encodeResponse(
  response: InferResponse,
  how: { readonly format: Format },
  options: SliceOptions = {},
): Sliced<TypedBody> {
  const { outputs } = response;
  const [only] = outputs;
  const type = only === undefined || outputs.length > 1 ? undefined : contentTypeOf(only);
  if (only !== undefined && type !== undefined) return { parts: [payloadOf(only)], contentType: type };
  switch (how.format) {
    case "json-instances":
      return json(yield* writeJson(outputs, { word: "output", options, rows: true }));
    case "kserve-v1":
      return json(yield* encodeV1Answer(outputs, { odd: "token" }, options));
    case "kserve-v2":
      return json((yield* encodeV2Answer(response, { form: JSON_FORM }, options)).parts);
    case "json":
    case "raw":
    case "multipart":
      return json(yield* writeJson(outputs, { word: "output", options }));
    default:
      return how.format satisfies never;
  }
}

const json = (parts: readonly Uint8Array[]): TypedBody => ({ parts, contentType: JSON_TYPE });

/** The only input where it is a JSON text: it goes as it is. A charset behind the type would keep TorchServe from parsing it. */
function readyJson(inputs: readonly Tensor[]): TypedBody | undefined {
  const [only, second] = inputs;
  if (only === undefined || second !== undefined || mediaType(contentTypeOf(only)) !== JSON_TYPE) return undefined;
  return json([payloadOf(only)]);
}

function rawBody(tensors: readonly Tensor[], word: string): TypedBody {
  const [only, second] = tensors;
  if (only === undefined || second !== undefined) throw invalid(`expected one ${word}, got ${tensors.length}`);
  if (isOneElement(only)) return { parts: [payloadOf(only)], contentType: contentTypeOf(only) ?? UNKNOWN_TYPE };
  throw new InferError(
    "unsupported",
    `${word} "${only.name}": a raw body needs BYTES of one element, got ${only.datatype} of shape [${only.shape.join(",")}]`,
  );
}

const ROWS: Omit<WriteRows, "word" | "pace" | "form"> = { floats: "fraction", odd: "token", bytes: "either" };

interface Writing {
  readonly word: "input" | "output";
  readonly options: SliceOptions;
  readonly rows?: boolean;
}

function* writeJson(tensors: readonly Tensor[], writing: Writing): Sliced<readonly Uint8Array[]> {
  const w = openWriter();
  const how: WriteRows = {
    ...ROWS,
    word: writing.word,
    pace: openPace(writing.options),
    form: tensors.length === 1 ? "bare" : "named",
  };
  if (writing.rows === true) yield* writeRows(w, tensors, how);
  else yield* writeColumns(w, tensors, how);
  return finishWriter(w).parts;
}

function* readJson(
  body: Uint8Array,
  reading: { readonly word: "input" | "output"; readonly known: KnownRows; readonly options: SliceOptions },
): Sliced<readonly Tensor[]> {
  const { word, known, options } = reading;
  const { limits = DEFAULT_WIRE_LIMITS } = known;
  const s = yield* openJson(body, { ...options, maxNesting: limits.maxNesting });
  return (yield* readRowValue(s, { ...known, word, limits, label: "the body", depth: 0 })).tensors;
}

function* writePart(input: Tensor, options: SliceOptions): Sliced<FormPart> {
  const filename = filenameOf(input);
  const head = { name: input.name, ...(filename === undefined ? {} : { filename }) };
  if (isOneElement(input)) {
    return { ...head, contentType: contentTypeOf(input) ?? UNKNOWN_TYPE, body: payloadOf(input) };
  }
  const w = openWriter();
  yield* writeValue(w, input, { ...ROWS, word: "input", form: "bare", pace: openPace(options) });
  const { parts } = finishWriter(w);
  return {
    ...head,
    contentType: JSON_TYPE,
    body: parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts),
  };
}

function* readParts(body: Uint8Array, known: KnownRequest, options: SliceOptions): Sliced<readonly Tensor[]> {
  const { contentType = "", limits = DEFAULT_WIRE_LIMITS } = known;
  const parts = yield* decodeMultipart(body, boundaryOf(contentType), { maxParts: limits.maxInputs });
  return yield* decodeParts(parts, known, options);
}

/** Reads the parts of a form as inputs, as `decodeRequest` reads those of `multipart`. */
export function* decodeParts(
  parts: readonly FormPart[],
  known: KnownRows,
  options: SliceOptions = {},
): Sliced<readonly Tensor[]> {
  const { specs, limits = DEFAULT_WIRE_LIMITS } = known;
  const tensors = new Map<string, Tensor>();
  for (const part of parts) {
    const spec = specs?.find(({ name }) => name === part.name);
    if (specs !== undefined && spec === undefined) {
      throw invalid(
        `input "${part.name}": expected one of ${specs.map(({ name }) => `"${name}"`).join(", ") || "none"}`,
      );
    }
    if (tensors.has(part.name)) throw invalid(`input "${part.name}" stands twice`);
    tensors.set(part.name, yield* readPart(part, spec, { limits, options }));
  }
  const missing = specs?.find(({ name, optional }) => optional !== true && !tensors.has(name));
  if (missing !== undefined) throw invalid(`input "${missing.name}": expected a part of the form, got none`);
  return [...tensors.values()];
}

function* readPart(
  part: FormPart,
  spec: RowSpec | undefined,
  how: { readonly limits: { readonly maxNesting: number }; readonly options: SliceOptions },
): Sliced<Tensor> {
  const { name, filename, body } = part;
  if (spec?.datatype === undefined || isPayload(part, spec)) {
    const contentType = part.contentType ?? (filename === undefined ? "text/plain" : UNKNOWN_TYPE);
    const tensor = yield* readOpaque(name, body, { contentType, ...(filename === undefined ? {} : { filename }) });
    return spec?.shape === undefined ? tensor : { ...tensor, shape: ones(spec.shape) };
  }
  const s = yield* openJson(body, { ...how.options, maxNesting: how.limits.maxNesting });
  const tensor = yield* readValue(s, { spec, label: `input "${name}"`, depth: 0 });
  if (skipSpace(s) !== 0 || s.at < s.end) throw syntaxError(s, "the end of the text");
  return tensor;
}

/** The bytes of one element, unless the part says that it is JSON and there may be more than one. */
function isPayload({ contentType }: FormPart, { datatype = "BYTES", shape = [] }: RowSpec): boolean {
  const isList = mediaType(contentType) === JSON_TYPE && shape.some((size) => size < 0);
  return !isList && isOneElement({ datatype, shape: ones(shape) });
}

const ones = (shape: readonly number[] = []): readonly number[] => shape.map((size) => (size < 0 ? 1 : size));

/**
 * The envelope builds its arrays from the data alone, so floats keep a fraction, and it takes the first element of BYTES
 * only; it reads no parameters and no requested outputs.
 */
function* writeV2(inputs: readonly Tensor[], options: SliceOptions): Sliced<readonly Uint8Array[]> {
  const w = openWriter();
  const how: WriteRows = { ...ROWS, bytes: "text", word: "input", form: "bare", pace: openPace(options) };
  let before = '{"inputs":[';
  for (const input of inputs) {
    const { name, datatype, shape } = input;
    if (datatype === "BYTES" && !isOneElement(input)) {
      const got = `input "${name}": TorchServe's kserve-v2 envelope takes BYTES of one element, got shape [${shape.join(",")}]`;
      throw new InferError("unsupported", got);
    }
    put(w, `${before}{"name":`);
    putString(w, name);
    put(w, `,"shape":[${shape.join(",")}],"datatype":"${datatype}","data":`);
    yield* writeValue(w, { ...input, shape: [elementCount(shape)] }, how);
    put(w, "}");
    before = ",";
  }
  put(w, inputs.length === 0 ? '{"inputs":[]}' : "]}");
  return finishWriter(w).parts;
}
