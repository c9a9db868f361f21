// Bodies whose Content-Type says what they are, as TorchServe and SageMaker have them: passed on as they came, or read by a model's signature.

import { InferError, invalid } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { Planes, WireRequest } from "../../core/protocol.ts";
import type { ModelRef } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import { CSV_TYPE, decodeCsv } from "../../wire/csv.ts";
import { decodeJsonLines, JSON_LINES_TYPE } from "../../wire/json-lines.ts";
import type { RowSpec } from "../../wire/json-rows.ts";
import type { FormPart } from "../../wire/multipart.ts";
import { decodeNpy, NPY_TYPE } from "../../wire/npy.ts";
import { isOneElement, mediaType, readOpaque, UNKNOWN_TYPE } from "../../wire/opaque.ts";
import type { Sliced } from "../../wire/sliced.ts";
import { BODY_NAME, decodeParts, decodeRequest, type Format } from "../../wire/torchserve.ts";
import { formatOfJson, looksLikeJson } from "./typed-body/json-form.ts";

/** How a body was read, which is how its answer is written unless the caller asks for something else. */
export type BodyForm = Extract<Format, "json-instances" | "json" | "kserve-v2"> | "csv" | "json-lines" | "npy";

/** A body as it came, and what it says it is. */
export interface TypedBody {
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
}

/** The inputs in a body. */
export interface ReadBody {
  readonly inputs: readonly Tensor[];
  readonly form: BodyForm;
  /** The body goes on as it came; its answer comes back as it is. */
  readonly opaque: boolean;
}

/** Bodies up to this size are read at once; it takes well below a millisecond. */
export const SMALL_BYTES = 32 * 1024;

/** What a browser's form, and curl's -d, say they are. */
export const URLENCODED_TYPE = "application/x-www-form-urlencoded";

/**
 * What the model declares, where its bodies are to be read by it; undefined where they go on as they came: nobody
 * declares the model's inputs, or a server of the front's own kind runs it.
 *
 * @throws InferError not-found for an unknown model, unavailable when nobody can tell now
 */
export async function declaredOf(
  model: ModelRef,
  { wire, planes, ownKind }: { readonly wire: WireRequest; readonly planes: Planes; readonly ownKind: string },
): Promise<ModelMetadata | undefined> {
  try {
    const declared = await planes.data.signature(model, wire.signal);
    return declared.inputs.length === 0 || declared.platform === ownKind ? undefined : declared;
  } catch (error) {
    if (error instanceof InferError && error.code === "unsupported") return undefined;
    throw error;
  }
}

/**
 * What a codec of such bodies says of its decoder: a repeat of JSON need not be read again, other forms are hardly read at all.
 *
 * @param others headers beside Content-Type that the decoder looks at
 */
export function rememberedBy(
  { headers }: Pick<WireRequest, "headers">,
  others: readonly string[] = [],
): { readonly decoding?: readonly string[]; readonly bySignature?: boolean } {
  const isJson = mediaType(headers.get("content-type")).endsWith("json");
  return isJson ? { decoding: ["content-type", ...others], bySignature: true } : {};
}

/** What a body is read with. */
export interface Reading {
  /** Absent: the body goes on as it came. */
  readonly declared: ModelMetadata | undefined;
  readonly wire: WireRequest;
  readonly planes: Planes;
}

/**
 * The inputs of a body: JSON in rows or columns or as KServe's V2, forms, CSV, JSON Lines, NumPy's arrays, or the bytes
 * of the one input that takes them.
 *
 * @throws InferError invalid-argument for a body that is not what it says; unsupported for one that the model's inputs
 * cannot be read from
 */
export async function readTypedBody(typed: TypedBody, { declared, wire, planes }: Reading): Promise<ReadBody> {
  const small = typed.body.byteLength <= SMALL_BYTES;
  const work = declared === undefined ? passOn(typed) : readDeclared(typed, declared, planes.limits);
  return planes.run(work, { small, signal: wire.signal });
}

/** The inputs in the parts of a form: each a payload as it came, or read by its input's spec. @throws as readTypedBody */
export async function readForm(parts: readonly FormPart[], { declared, wire, planes }: Reading): Promise<ReadBody> {
  const { maxInputs } = planes.limits;
  if (parts.length > maxInputs) throw invalid(`expected at most ${maxInputs} inputs, got ${parts.length}`);
  const bytes = parts.reduce((sum, { body }) => sum + body.byteLength, 0);
  const known = { limits: planes.limits, ...(declared === undefined ? {} : { specs: declared.inputs }) };
  const work = decodeParts(parts, known);
  const inputs = await planes.run(work, { small: bytes <= SMALL_BYTES, signal: wire.signal });
  return { inputs, form: "json", opaque: declared === undefined };
}

function* passOn({ body, contentType = UNKNOWN_TYPE }: TypedBody): Sliced<ReadBody> {
  return { inputs: [yield* readOpaque(BODY_NAME, body, { contentType })], form: "json", opaque: true };
}

function* readDeclared(typed: TypedBody, declared: ModelMetadata, limits: Planes["limits"]): Sliced<ReadBody> {
  const { body, contentType } = typed;
  const specs = declared.inputs;
  const known = { specs, limits, contentType };
  const type = mediaType(contentType);
  const isText = looksLikeJson(body);
  const read = (form: BodyForm, inputs: readonly Tensor[]): ReadBody => ({ form, inputs, opaque: false });
  if (type === "multipart/form-data")
    return read("json", yield* decodeRequest(body, { ...known, format: "multipart" }));
  // curl's -d says that JSON is a form
  if (type === URLENCODED_TYPE && !isText) return read("json", yield* decodeParts(formParts(body), known));
  if (type === CSV_TYPE) return read("csv", yield* readTable(body, specs));
  if (type === JSON_LINES_TYPE || type === "application/x-ndjson") {
    return read("json-lines", yield* readLines(body, specs, limits));
  }
  // an array carries one output only, so its answer is JSON unless Accept asks for an array
  if (type === NPY_TYPE) return read("json-instances", [arrayOf(body, specs)]);
  const payload = payloadSpec(specs);
  if (
    isJsonType(type) ||
    (isText && (type === "" || type === URLENCODED_TYPE || (payload === undefined && !type.endsWith("+json"))))
  ) {
    const format = yield* formatOfJson(body, { ...limits, names: specs.map(({ name }) => name) });
    return read(format, yield* decodeRequest(body, { ...known, format }));
  }
  if (payload === undefined) throw unreadable(typed, declared);
  const tensor = yield* readOpaque(payload.name, body, { contentType: contentType ?? UNKNOWN_TYPE });
  return read("json", [{ ...tensor, shape: payload.shape.map(() => 1) }]);
}

function isJsonType(type: string): boolean {
  // Triton's form for SageMaker: tensors' bytes behind the JSON
  if (type.endsWith(".binary+json")) return false;
  return type === "application/json" || type === "text/json" || type.endsWith("+json");
}

/** The only input, where it takes the bytes of one element. */
function payloadSpec(specs: ModelMetadata["inputs"]): ModelMetadata["inputs"][number] | undefined {
  const [only, second] = specs;
  if (only === undefined || second !== undefined) return undefined;
  const shape = only.shape.map((size) => (size < 0 ? 1 : size));
  return isOneElement({ datatype: only.datatype, shape }) ? only : undefined;
}

function unreadable({ contentType }: TypedBody, { name, inputs }: ModelMetadata): InferError {
  const wanted = inputs.map((spec) => `${spec.name} ${spec.datatype}[${spec.shape.join(",")}]`).join(", ");
  return new InferError(
    "unsupported",
    `model "${name}" takes ${wanted}: expected JSON, CSV, JSON Lines, a form or a NumPy array, got ${contentType ?? "no content type"}; a model that takes such a payload declares one input of BYTES [1]`,
  );
}

function formParts(body: Uint8Array) {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
  return [...new URLSearchParams(text)].map(([name, value]) => ({ name, body: Buffer.from(value) }));
}

function* readTable(body: Uint8Array, specs: readonly RowSpec[]): Sliced<readonly Tensor[]> {
  const inputs = yield* decodeCsv(body, { bareName: firstName(specs), specs });
  // blank lines are none, so a table cannot say of rows that they are empty
  if (inputs.every(({ shape }) => shape[0] === 0)) {
    throw invalid("expected rows of cells, got none; an input without rows goes in as JSON");
  }
  return inputs.map((input) => asScalar(input, specs));
}

function* readLines(
  body: Uint8Array,
  specs: readonly RowSpec[],
  { maxInputs, maxNesting }: Planes["limits"],
): Sliced<readonly Tensor[]> {
  const many = { word: "input", label: "the lines", bareName: firstName(specs), maxTensors: maxInputs, specs } as const;
  return (yield* decodeJsonLines(body, many, { maxNesting })).map((input) => asScalar(input, specs));
}

/** The only value of the only row, where the input is declared as a scalar. */
function asScalar(input: Tensor, specs: readonly RowSpec[]): Tensor {
  const spec = specs.find(({ name }) => name === input.name);
  if (spec?.shape?.length !== 0) return input;
  if (input.shape.every((size) => size === 1)) return { ...input, shape: [] };
  throw invalid(`input "${input.name}": expected one row of one value, got shape [${input.shape.join(",")}]`);
}

function arrayOf(body: Uint8Array, specs: ModelMetadata["inputs"]): Tensor {
  const [only, second] = specs;
  if (only !== undefined && second === undefined) return { name: only.name, ...decodeNpy(body) };
  throw invalid(`a NumPy array is one input, and the model has ${specs.length}: expected an object of inputs in JSON`);
}

function firstName(specs: readonly RowSpec[]): string {
  return specs[0]?.name ?? BODY_NAME;
}
