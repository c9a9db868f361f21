// TensorFlow Serving's :predict over REST, by row and by column: requests and answers, both ways.

import { InferError, invalid } from "../core/error.ts";
import type { Tensor } from "../core/tensor.ts";
import { type ReadMany, type ReadTensors, type RowSpec, readColumns, readRows } from "./json-rows.ts";
import { type WriteRows, writeColumns, writeRows } from "./json-rows-write.ts";
import { jump, type Scanner } from "./json-scan.ts";
import { skipValue } from "./json-skip.ts";
import { finishWriter, openWriter, put, putString } from "./json-write.ts";
import { type DecodeOptions, readBody, readString } from "./oip-json.ts";
import { openPace, type Sliced, type SliceOptions } from "./sliced.ts";
import { tfsFloatText } from "./tfs-decimals.ts";

/** `row`: instances and predictions; `column`: inputs and outputs. */
export type TfsFormat = "row" | "column";

/** What a request's body says. The model is in the path. */
export interface TfsJsonRequest {
  /** Absent for the default. */
  readonly signature?: string;
  readonly inputs: readonly Tensor[];
  readonly format: TfsFormat;
}

export interface TfsRequestOptions extends DecodeOptions {
  /**
   * The inputs of a signature; undefined where they are not known, and are read by their own looks.
   *
   * @param signature absent for the default
   */
  readonly specs: (signature: string | undefined) => readonly RowSpec[] | undefined;
}

/** What can carry what this JSON cannot. */
const CARRIER = "gRPC (protocol: grpc)";

/**
 * Reads a request. Numbers beyond their datatype are refused where TF Serving wraps them.
 *
 * @throws InferError invalid-argument for whatever is malformed or not the signature's
 */
export function* decodeRequest(body: Uint8Array, options: TfsRequestOptions): Sliced<TfsJsonRequest> {
  const { specs, ...rest } = options;
  const draft: Draft = { options, signature: undefined, read: undefined, format: undefined, doubt: undefined };
  yield* readBody(body, rest, (s, key) => readRequestMember(s, key, draft));
  const { format, signature } = draft;
  if (format === undefined) throw invalid("expected instances or inputs, got neither");
  if (draft.doubt !== undefined) yield* settle(draft, draft.doubt);
  const { tensors } = draft.read as ReadTensors;
  if (format === "row" && tensors.every(({ shape }) => shape[0] === 0))
    throw invalid("instances: expected rows, got none; columns (inputs) carry a tensor without rows");
  return { inputs: tensors, format, ...(signature === undefined || signature === "" ? {} : { signature }) };
}

interface Draft {
  readonly options: TfsRequestOptions;
  signature: string | undefined;
  read: ReadTensors | undefined;
  format: TfsFormat | undefined;
  /** What the tensors were read by may have been wrong. */
  doubt: Doubt | undefined;
}

/** Tensors that were read as the default's before the signature's name was known. */
interface Doubt {
  readonly s: Scanner;
  readonly key: "instances" | "inputs";
  /** Where they begin. */
  readonly from: number;
  /** Why they are not the default's; undefined where they may be. */
  readonly refused: unknown;
}

// not inside its caller: see core/chain.ts
function* readRequestMember(s: Scanner, key: string, draft: Draft): Sliced<boolean> {
  if (key === "signature_name") draft.signature = readString(s, "signature_name");
  else if (key === "instances" || key === "inputs") yield* readEither(s, key, draft);
  else return false;
  return true;
}

// The signature's name may stand behind the tensors. They are read as the default's meanwhile, and again when another
// name turns up.
function* readEither(s: Scanner, key: "instances" | "inputs", draft: Draft): Sliced<void> {
  if (draft.format !== undefined) throw invalid("expected one of instances and inputs, got both");
  draft.format = key === "instances" ? "row" : "column";
  const isNamed = draft.signature !== undefined;
  const from = s.at;
  const many = manyOf(draft, key);
  let refused: unknown;
  try {
    draft.read = yield* readTensors(s, key, many);
  } catch (error) {
    if (isNamed || !(error instanceof InferError)) throw error;
    refused = error;
    jump(s, from);
    yield* skipValue(s, 1);
  }
  if (!isNamed) draft.doubt = { s, key, from, refused };
}

/** Reads the tensors once more where they are another signature's than the default's. */
function* settle(draft: Draft, { s, key, from, refused }: Doubt): Sliced<void> {
  const isDefault = draft.signature === undefined || draft.signature === "";
  if (isDefault && refused !== undefined) throw refused;
  if (isDefault) return;
  jump(s, from);
  draft.read = yield* readTensors(s, key, manyOf(draft, key));
}

function manyOf({ options, signature }: Draft, label: "instances" | "inputs"): ReadMany {
  const specs = options.specs(signature);
  const isRow = label === "instances";
  return {
    word: "input",
    label,
    depth: 1,
    bareName: "inputs",
    // as TF Serving: columns may hold more, rows may not
    extra: isRow ? "refuse" : "skip",
    maxTensors: options.limits.maxInputs,
    ...(specs === undefined ? {} : { specs }),
  };
}

function readTensors(s: Scanner, key: string, many: ReadMany): Sliced<ReadTensors> {
  return key === "instances" || key === "predictions" ? readRows(s, many) : readColumns(s, many);
}

/**
 * Writes a request. Whole floats keep their fraction, since TF Serving refuses integers beyond 2^24 for a float; strings
 * that are no UTF-8 go as b64.
 *
 * @throws InferError unsupported for FP16, BF16 and UINT16, which TF Serving reads in no JSON; for rows that there are
 * none of or that inputs differ in; for a shape that empty arrays cannot say
 */
export function* encodeRequest(request: TfsJsonRequest, options: SliceOptions = {}): Sliced<readonly Uint8Array[]> {
  const { inputs, signature, format } = request;
  for (const input of inputs) checkInput(input, format);
  const w = openWriter();
  put(w, "{");
  if (signature !== undefined) {
    put(w, '"signature_name":');
    putString(w, signature);
    put(w, ",");
  }
  const isBare = format === "row" && inputs.length === 1;
  const how: WriteRows = {
    word: "input",
    pace: openPace(options),
    form: isBare ? "bare" : "named",
    floats: "fraction",
    bytes: "either",
    carrier: CARRIER,
  };
  put(w, format === "row" ? '"instances":' : '"inputs":');
  yield* format === "row" ? writeRows(w, inputs, how) : writeColumns(w, inputs, how);
  put(w, "}");
  return finishWriter(w).parts;
}

function checkInput({ name, datatype, shape }: Tensor, format: TfsFormat): void {
  const refuse = (what: string) =>
    new InferError("unsupported", `input "${name}": TF Serving's JSON has no ${what}; ${CARRIER} carries it`);
  if (datatype === "UINT16") throw refuse(datatype);
  const zero = shape.indexOf(0);
  if (zero >= 0 && zero < shape.length - 1) throw refuse(`shape [${shape.join(",")}]`);
  if (format === "row" && zero === 0) throw refuse("requests of no rows");
}

export interface TfsAnswerOptions extends DecodeOptions {
  /** The outputs of the signature; undefined where they are not known. */
  readonly specs?: readonly RowSpec[];
}

/**
 * Reads a backend's answer, of either format.
 *
 * @throws InferError bad-backend for whatever is malformed or not the signature's
 */
export function* decodeResponse(body: Uint8Array, options: TfsAnswerOptions): Sliced<readonly Tensor[]> {
  const { specs, ...rest } = options;
  const answer: ReadAnswer = { options, read: undefined };
  try {
    yield* readBody(body, rest, (s, key) => readAnswerMember(s, key, answer));
    if (answer.read === undefined) throw invalid("expected predictions or outputs, got neither");
    return answer.read.tensors.map((tensor) => withAllSizes(tensor, specs));
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    throw new InferError("bad-backend", `the backend's answer cannot be read: ${error.message}`, { cause: error });
  }
}

/** An answer as far as it has been read. */
interface ReadAnswer {
  readonly options: TfsAnswerOptions;
  read: ReadTensors | undefined;
}

function* readAnswerMember(s: Scanner, key: string, answer: ReadAnswer): Sliced<boolean> {
  const { specs, limits } = answer.options;
  if (key !== "predictions" && key !== "outputs") return false;
  if (answer.read !== undefined) throw invalid("expected one of predictions and outputs, got both");
  answer.read = yield* readTensors(s, key, {
    word: "output",
    label: key,
    depth: 1,
    bareName: "outputs",
    extra: "infer",
    maxTensors: limits.maxInputs,
    // the shapes of a signature are a promise that TF Serving does not keep to
    ...(specs === undefined ? {} : { specs: specs.map(withoutShape) }),
  });
  return true;
}

function withoutShape({ name, datatype }: RowSpec): RowSpec {
  return { name, ...(datatype === undefined ? {} : { datatype }) };
}

// Behind an empty array no more sizes are seen: those of the signature stand there, 0 where it says none.
function withAllSizes(tensor: Tensor, specs: readonly RowSpec[] | undefined): Tensor {
  const known = specs?.find(({ name }) => name === tensor.name)?.shape ?? [];
  const { shape } = tensor;
  if (!shape.includes(0) || known.length <= shape.length) return tensor;
  return { ...tensor, shape: [...shape, ...known.slice(shape.length).map((size) => Math.max(0, size))] };
}

/**
 * Writes an answer as TF Serving does: a single output without its name, floats in its text, strings of outputs whose
 * names end in `_bytes` as b64.
 *
 * @throws InferError invalid-argument for predictions whose outputs differ in rows or have none, as TF Serving;
 * unsupported for a string that is no UTF-8, and for FP16 and BF16
 */
export function* encodeResponse(
  response: { readonly outputs: readonly Tensor[]; readonly format: TfsFormat },
  options: SliceOptions = {},
): Sliced<readonly Uint8Array[]> {
  const { outputs, format } = response;
  const w = openWriter();
  const how: WriteRows = {
    word: "output",
    pace: openPace(options),
    form: outputs.length === 1 ? "bare" : "named",
    floats: tfsFloatText,
    bytes: (name) => (name.endsWith("_bytes") ? "b64" : "text"),
    carrier: "gRPC",
  };
  put(w, format === "row" ? '{"predictions":' : '{"outputs":');
  yield* format === "row" ? writeRows(w, outputs, how) : writeColumns(w, outputs, how);
  put(w, "}");
  return finishWriter(w).parts;
}

/** The body of a refusal. */
export function encodeError(message: string): { readonly error: string } {
  return { error: message };
}
