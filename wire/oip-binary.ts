// The Open Inference Protocol's bodies over HTTP, all JSON or with the binary tensor extension: requests and answers,
// both ways.

import { InferError, invalid } from "../core/error.ts";
import type { Hints } from "../core/hints.ts";
import type { RegionPart } from "../core/operator.ts";
import type { InferRequest, InferResponse, RequestedOutput } from "../core/request.ts";
import { NO_PARAMETERS, type Parameters, type Tensor } from "../core/tensor.ts";
import type { Scanner } from "./json-scan.ts";
import { put, putParameters, putString } from "./json-write.ts";
import { takeBlobs } from "./oip-blobs.ts";
import {
  type AnswerMemory,
  findAnswer,
  findHead,
  keepAnswer,
  keepHead,
  placeOfAnswer,
  placeOfHead,
} from "./oip-heads.ts";
import { type DecodeOptions, readBody, readRequestedOutputs, readString } from "./oip-json.ts";
import { liftOutputs, liftParameters, lowerParameters, readParameters } from "./oip-parameters.ts";
import { type BodyReader, type ReadTensor, readTensors } from "./oip-tensors.ts";
import { type BodyWriter, type EncodedBody, finishBody, type JsonForm, openBody, writeTensors } from "./oip-write.ts";
import type { Sliced, SliceOptions } from "./sliced.ts";

/** Which outputs of an answer are to be blobs: an output's own flag, else the request's word for all of them. */
export interface AnswerForm {
  readonly binaryByDefault: boolean;
  /** `binary_data` of the outputs that say it, by name. */
  readonly binary: ReadonlyMap<string, boolean>;
  /** The outputs that lie in shared memory: their elements are not in the body. */
  readonly regions?: ReadonlyMap<string, RegionPart>;
}

/** The form of an answer that is all JSON. */
export const JSON_FORM: AnswerForm = { binaryByDefault: false, binary: new Map() };

/** What a request's body says. The model is in the path. */
export interface OipRequest {
  readonly inputs: readonly Tensor[];
  /** Absent when all outputs are wanted. `binary_data` is in `form`; `classification` and the like are kept. */
  readonly outputs?: readonly RequestedOutput[];
  /** Without the reserved ones. */
  readonly parameters: Parameters;
  /** The request's id and its reserved parameters. */
  readonly hints: Hints;
  readonly form: AnswerForm;
}

/** How an answer is to be read. */
export interface AnswerOptions extends DecodeOptions {
  /** What answers over the same connection said before; each is read anew where it is absent. */
  readonly answers?: AnswerMemory;
}

/** What an answer's body says. */
export interface OipResponse {
  readonly id?: string;
  readonly modelName: string;
  readonly modelVersion?: string;
  readonly outputs: readonly Tensor[];
  readonly parameters: Parameters;
}

/**
 * Reads the header Inference-Header-Content-Length: how many bytes of the uncompressed body are JSON. `raw` for 0,
 * which says that the body is the one input's bytes; undefined when there is no header.
 *
 * @throws InferError invalid-argument for anything but a whole number up to the body's length
 */
export function parseHeaderLength(header: string | undefined, bodyLength: number): number | "raw" | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const length = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (length <= bodyLength) return length === 0 ? "raw" : length;
  throw invalid(
    `header Inference-Header-Content-Length: expected a whole number in [0, ${bodyLength}], got "${header.slice(0, 24)}"`,
  );
}

/**
 * Reads a request. Views of the body serve as blobs. Members and names that nobody knows are ignored.
 *
 * @throws InferError invalid-argument for whatever is malformed, unsupported for shared memory that nobody reads, too-large beyond
 * `maxElements`
 */
export function* decodeRequest(body: Uint8Array, options: DecodeOptions): Sliced<OipRequest> {
  const place = placeOfHead(body, options);
  const known = place && findHead<OipRequest>(place, body);
  if (known !== undefined) return known;
  const reader: BodyReader = { limits: options.limits, halves: options.halves === true, elements: 0 };
  const read: ReadRequest = { id: undefined, inputs: undefined, asked: [], parameters: NO_PARAMETERS };
  const blobs = yield* readBody(body, options, (s, key) => readRequestMember(s, key, { read, reader }));
  const { id, inputs, asked } = read;
  if (inputs === undefined) throw invalid("expected inputs, got none");
  const { parameters, hints, binaryByDefault } = liftParameters(read.parameters, id);
  const { outputs, binary, regions } = liftOutputs(asked);
  const hasHeader = options.headerLength !== undefined;
  const request: OipRequest = {
    inputs: yield* takeBlobs(inputs, blobs, { ...options, word: "input", hasHeader }),
    parameters,
    hints,
    form: { binaryByDefault, binary, ...(regions.size === 0 ? {} : { regions }) },
    ...(outputs.length === 0 ? {} : { outputs }),
  };
  if (place !== undefined) keepHead(place, inputs, request);
  return request;
}

/** The members of a request as far as they have been read. */
interface ReadRequest {
  id: string | undefined;
  inputs: readonly ReadTensor[] | undefined;
  asked: readonly RequestedOutput[];
  parameters: Parameters;
}

// not inside its caller: see core/chain.ts
function* readRequestMember(
  s: Scanner,
  key: string,
  { read, reader }: { readonly read: ReadRequest; readonly reader: BodyReader },
): Sliced<boolean> {
  if (key === "id") read.id = readString(s, "id");
  else if (key === "inputs") read.inputs = yield* readTensors(s, reader, "input");
  else if (key === "outputs") read.asked = yield* readRequestedOutputs(s, reader.limits);
  else if (key === "parameters") read.parameters = yield* readParameters(s, "the request");
  else return false;
  return true;
}

/**
 * Reads a backend's answer.
 *
 * @throws InferError bad-backend for whatever is malformed
 */
export function* decodeResponse(body: Uint8Array, options: AnswerOptions): Sliced<OipResponse> {
  try {
    return yield* readResponse(body, options);
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    throw new InferError("bad-backend", `the backend's answer cannot be read: ${error.message}`, { cause: error });
  }
}

function* readResponse(body: Uint8Array, options: AnswerOptions): Sliced<OipResponse> {
  const place = placeOfAnswer(body, options);
  const known = place && findAnswer<OipResponse>(place, body);
  if (known !== undefined) return known;
  const reader: BodyReader = { limits: options.limits, halves: options.halves === true, elements: 0 };
  const read: ReadAnswer = { texts: {}, outputs: undefined, parameters: NO_PARAMETERS };
  const blobs = yield* readBody(body, options, (s, key) => readAnswerMember(s, key, { read, reader }));
  const { texts, outputs, parameters } = read;
  if (outputs === undefined) throw invalid("expected outputs, got none");
  const { id, model_name: modelName = "", model_version: modelVersion } = texts;
  const response: OipResponse = {
    modelName,
    outputs: yield* takeBlobs(outputs, blobs, {
      ...options,
      word: "output",
      hasHeader: options.headerLength !== undefined,
    }),
    parameters,
    ...(id === undefined ? {} : { id }),
    ...(modelVersion === undefined ? {} : { modelVersion }),
  };
  if (place !== undefined) keepAnswer(place, outputs, response);
  return response;
}

/** The members of an answer as far as they have been read. */
interface ReadAnswer {
  readonly texts: { id?: string; model_name?: string; model_version?: string };
  outputs: readonly ReadTensor[] | undefined;
  parameters: Parameters;
}

function* readAnswerMember(
  s: Scanner,
  key: string,
  { read, reader }: { readonly read: ReadAnswer; readonly reader: BodyReader },
): Sliced<boolean> {
  if (key === "id" || key === "model_name" || key === "model_version") read.texts[key] = readString(s, key);
  else if (key === "outputs") read.outputs = yield* readTensors(s, reader, "output");
  else if (key === "parameters") read.parameters = yield* readParameters(s, "the answer");
  else return false;
  return true;
}

/** How an answer is to be written. */
export interface Answer {
  /** The request's id, echoed unless it is empty. */
  readonly id?: string;
  readonly form: AnswerForm;
}

/**
 * Writes an answer, its members in Triton's order. Blobs are the tensors' own bytes, not copies.
 *
 * @throws InferError unsupported for BYTES in JSON that are no UTF-8, invalid-argument for FP16 and BF16 in JSON
 */
export function* encodeResponse(
  response: InferResponse,
  answer: Answer,
  options: SliceOptions = {},
): Sliced<EncodedBody> {
  const { model, outputs, parameters } = response;
  const { binary, binaryByDefault, regions } = answer.form;
  const body = openBody(options);
  put(body.json, "{");
  writeId(body, answer.id);
  put(body.json, '"model_name":');
  putString(body.json, model.name);
  put(body.json, ',"model_version":');
  putString(body.json, model.version);
  if (parameters.size > 0) {
    put(body.json, ',"parameters":');
    putParameters(body.json, parameters);
  }
  put(body.json, ',"outputs":');
  yield* writeTensors(body, outputs, {
    word: "output",
    isBinary: ({ name }) => binary.get(name) ?? binaryByDefault,
    regionOf: ({ name }) => regions?.get(name),
  });
  put(body.json, "}");
  return finishBody(body);
}

/** How a request is to be written. */
export interface Ask {
  readonly id?: string;
  /** What is to be said to the other server about the caller; nothing when absent. */
  readonly hints?: Omit<Hints, "id">;
  /** Which inputs go as blobs. */
  readonly isBinary: (input: Tensor) => boolean;
  /** Which outputs are to come as blobs. */
  readonly form: AnswerForm;
  /** What the server takes in JSON, where it is not what Triton takes. */
  readonly json?: JsonForm;
}

/**
 * Writes a request, its members in tritonclient's order. Every output that is listed says whether it is to be binary,
 * since servers disagree about what holds where it does not.
 *
 * @throws InferError unsupported for BYTES in JSON that are no UTF-8, invalid-argument for FP16 and BF16 in JSON
 */
export function* encodeRequest(request: InferRequest, ask: Ask, options: SliceOptions = {}): Sliced<EncodedBody> {
  const body = openBody(options);
  put(body.json, "{");
  writeId(body, ask.id);
  put(body.json, '"inputs":');
  yield* writeTensors(body, request.inputs, {
    word: "input",
    isBinary: ask.isBinary,
    ...(ask.json === undefined ? {} : { json: ask.json }),
  });
  if (request.outputs !== undefined && request.outputs.length > 0)
    writeRequestedOutputs(body, request.outputs, ask.form);
  const parameters = lowerParameters(request.parameters, {
    ...(ask.hints ?? { sluice: NO_PARAMETERS }),
    binaryByDefault: ask.form.binaryByDefault,
  });
  if (parameters.size > 0) {
    put(body.json, ',"parameters":');
    putParameters(body.json, parameters);
  }
  put(body.json, "}");
  return finishBody(body);
}

function writeId(body: BodyWriter, id: string | undefined): void {
  if (id === undefined || id === "") return;
  put(body.json, '"id":');
  putString(body.json, id);
  put(body.json, ",");
}

function writeRequestedOutputs(body: BodyWriter, outputs: readonly RequestedOutput[], form: AnswerForm): void {
  let before = ',"outputs":[';
  for (const { name, parameters } of outputs) {
    put(body.json, `${before}{"name":`);
    putString(body.json, name);
    put(body.json, ',"parameters":');
    putParameters(body.json, [...parameters, ["binary_data", form.binary.get(name) ?? form.binaryByDefault]]);
    put(body.json, "}");
    before = ",";
  }
  put(body.json, "]");
}
