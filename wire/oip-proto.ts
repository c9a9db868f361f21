// The Open Inference Protocol's inference messages over gRPC, raw or typed: requests and answers, both ways.

import { InferError, invalid } from "../core/error.ts";
import type { Hints } from "../core/hints.ts";
import type { RegionPart } from "../core/operator.ts";
import type { InferRequest, InferResponse, RequestedOutput } from "../core/request.ts";
import { NO_PARAMETERS, type Parameters, type ParameterValue, type Tensor } from "../core/tensor.ts";
import { liftOutputs, liftParameters, lowerParameters } from "./oip-parameters.ts";
import { readParameter, writeParameters } from "./oip-proto-parameters.ts";
import {
  type ProtoTensor,
  readRequestedOutput,
  readTensor,
  type TensorsOptions,
  takeTensors,
} from "./oip-proto-tensors.ts";
import { type Contents, writeRaw, writeTensors, writeTexts } from "./oip-proto-write.ts";
import { regionParameters } from "./oip-regions.ts";
import { MAX_FIELDS, openNested, openReader, readFields, readText, WIRE } from "./protobuf.ts";
import { type Assembly, finishAssembly, openAssembly } from "./protobuf-assembly.ts";
import { openPace, type Pace, type Sliced, type SliceOptions } from "./sliced.ts";

/** What ModelInferRequest says. */
export interface OipProtoRequest {
  readonly model: { readonly name: string; readonly version?: string };
  readonly inputs: readonly Tensor[];
  /** Absent when all outputs are wanted. */
  readonly outputs?: readonly RequestedOutput[];
  /** Without the reserved ones. */
  readonly parameters: Parameters;
  readonly hints: Hints;
  /** How the inputs came. */
  readonly contents: Contents;
  /** On a stream, an empty answer is wanted behind the last one. */
  readonly emptyFinal: boolean;
  /** The outputs that are wanted in shared memory. */
  readonly regions: ReadonlyMap<string, RegionPart>;
}

/** What ModelInferResponse says. */
export interface OipProtoResponse {
  readonly id?: string;
  readonly modelName: string;
  readonly modelVersion?: string;
  readonly outputs: readonly Tensor[];
  readonly parameters: Parameters;
  /** On Triton's streams: whether no more answers to the same request follow. */
  readonly final?: boolean;
}

/** Triton's words on streams. Source: Triton, docs/customization_guide/inference_protocols.md. */
const EMPTY_FINAL = "triton_enable_empty_final_response";
const FINAL = "triton_final_response";

/**
 * Reads ModelInferRequest. Raw contents are views into the message; fields that nobody knows are ignored.
 *
 * @throws InferError invalid-argument for whatever is malformed, unsupported for shared memory, too-large beyond the
 * limits
 */
export function* decodeRequest(message: Uint8Array, options: TensorsOptions): Sliced<OipProtoRequest> {
  const read = readRequest(message, options);
  const { name, version, id, all, raw, inputs } = read;
  const emptyFinal = all.get(EMPTY_FINAL) ?? false;
  if (typeof emptyFinal !== "boolean") throw invalid(`parameter "${EMPTY_FINAL}": expected true or false`);
  all.delete(EMPTY_FINAL);
  const { parameters, hints } = liftParameters(all, id === "" ? undefined : id);
  const { outputs, regions } = liftOutputs(read.outputs);
  return {
    model: { name, ...(version === "" ? {} : { version }) },
    inputs: yield* takeTensors({ word: "input", tensors: inputs, raw }, options),
    parameters,
    hints,
    contents: raw.length > 0 ? "raw" : "typed",
    emptyFinal,
    regions,
    ...(outputs.length === 0 ? {} : { outputs }),
  };
}

// ModelInferRequest: model_name 1, model_version 2, id 3, parameters 4, inputs 5, outputs 6, raw_input_contents 7.
function readRequest(message: Uint8Array, { limits }: TensorsOptions) {
  const budget = { left: MAX_FIELDS };
  const texts = ["", "", "", ""];
  const all = new Map<string, ParameterValue>();
  const inputs: ProtoTensor[] = [];
  const outputs: RequestedOutput[] = [];
  const raw: Uint8Array[] = [];
  const reader = openReader(message);
  readFields(reader, budget, (field, wire) => {
    if (wire !== WIRE.bytes) return false;
    if (field >= 1 && field <= 3) texts[field] = readText(reader);
    else if (field === 4) readParameter(reader, { into: all, of: "the request", budget });
    else if (field === 5) inputs.push(readTensor(openNested(reader), { word: "input", index: inputs.length, budget }));
    else if (field === 6) outputs.push(readRequestedOutput(openNested(reader), outputs.length, budget));
    else if (field === 7) raw.push(reader.bytes());
    else return false;
    checkCount(inputs, "input", limits.maxInputs);
    checkCount(outputs, "output", limits.maxInputs);
    checkCount(raw, "raw content", limits.maxInputs);
    return true;
  });
  checkRepeats(outputs);
  const [, name = "", version = "", id = ""] = texts;
  return { name, version, id, all, inputs, outputs, raw };
}

function checkRepeats(outputs: readonly RequestedOutput[]): void {
  const names = new Set<string>();
  for (const { name } of outputs) {
    if (names.has(name)) throw invalid(`output "${name}" is already requested`);
    names.add(name);
  }
}

function checkCount(list: readonly unknown[], word: string, most: number): void {
  if (list.length > most) throw invalid(`expected at most ${most} ${word}s, got more`);
}

/**
 * Reads ModelInferResponse.
 *
 * @throws InferError bad-backend for whatever is malformed
 */
export function* decodeResponse(message: Uint8Array, options: TensorsOptions): Sliced<OipProtoResponse> {
  try {
    return yield* readResponse(message, options);
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    throw new InferError("bad-backend", `the backend's answer cannot be read: ${error.message}`, { cause: error });
  }
}

// ModelInferResponse: model_name 1, model_version 2, id 3, parameters 4, outputs 5, raw_output_contents 6.
function* readResponse(message: Uint8Array, options: TensorsOptions): Sliced<OipProtoResponse> {
  const budget = { left: MAX_FIELDS };
  const texts = ["", "", "", ""];
  const parameters = new Map<string, ParameterValue>();
  const tensors: ProtoTensor[] = [];
  const raw: Uint8Array[] = [];
  const reader = openReader(message);
  readFields(reader, budget, (field, wire) => {
    if (wire !== WIRE.bytes) return false;
    if (field >= 1 && field <= 3) texts[field] = readText(reader);
    else if (field === 4) readParameter(reader, { into: parameters, of: "the answer", budget });
    else if (field === 5)
      tensors.push(readTensor(openNested(reader), { word: "output", index: tensors.length, budget }));
    else if (field === 6) raw.push(reader.bytes());
    else return false;
    checkCount(tensors, "output", options.limits.maxInputs);
    checkCount(raw, "raw content", options.limits.maxInputs);
    return true;
  });
  const outputs = yield* takeTensors({ word: "output", tensors, raw }, options);
  const [, modelName = "", modelVersion = "", id = ""] = texts;
  const final = parameters.get(FINAL);
  parameters.delete(FINAL);
  return {
    modelName,
    outputs,
    parameters,
    ...(modelVersion === "" ? {} : { modelVersion }),
    ...(id === "" ? {} : { id }),
    ...(typeof final === "boolean" ? { final } : {}),
  };
}

/** How a request is to be written. */
export interface ProtoAsk {
  readonly model: { readonly name: string; readonly version?: string };
  readonly id?: string;
  /** What is to be said to the other server about the caller; nothing when absent. */
  readonly hints?: Omit<Hints, "id">;
  readonly contents: Contents;
  readonly emptyFinal?: boolean;
}

/**
 * Writes ModelInferRequest; each tensor is copied once.
 *
 * @throws InferError unsupported for FP16 and BF16 in typed contents
 */
export function* encodeRequest(request: InferRequest, ask: ProtoAsk, options: SliceOptions = {}): Sliced<Uint8Array> {
  const pace = openPace(options);
  const body = openAssembly();
  writeTexts(body.writer, [ask.model.name, ask.model.version, ask.id]);
  const all = lowerParameters(request.parameters, {
    ...(ask.hints ?? { sluice: NO_PARAMETERS }),
    binaryByDefault: false,
  });
  writeParameters(body.writer, 4, ask.emptyFinal === true ? new Map([...all, [EMPTY_FINAL, true]]) : all);
  yield* writeTensors(body, request.inputs, { word: "input", field: 5, contents: ask.contents, pace });
  for (const { name, parameters } of request.outputs ?? []) {
    body.writer.uint32((6 << 3) | WIRE.bytes).fork();
    writeTexts(body.writer, [name]);
    writeParameters(body.writer, 2, parameters);
    body.writer.ldelim();
  }
  if (ask.contents === "raw") writeRaw(body, request.inputs, 7);
  return yield* finishAssembly(body, pace);
}

/** How an answer is to be written. */
export interface ProtoAnswer {
  /** The request's id, echoed. */
  readonly id?: string;
  readonly contents: Contents;
  /** On a stream: whether no more answers to the same request follow. */
  readonly final?: boolean;
  /** The outputs that lie in shared memory: their raw contents are empty. */
  readonly regions?: ReadonlyMap<string, RegionPart>;
}

/**
 * Writes ModelInferResponse; each tensor is copied once.
 *
 * @throws InferError unsupported for FP16 and BF16 in typed contents
 */
export function* encodeResponse(
  response: InferResponse,
  answer: ProtoAnswer,
  options: SliceOptions = {},
): Sliced<Uint8Array> {
  const pace = openPace(options);
  return yield* finishAssembly(yield* writeResponse(response, answer, pace), pace);
}

/** The answer as a message that may stand in another one. */
export function* writeResponse(response: InferResponse, answer: ProtoAnswer, pace: Pace): Sliced<Assembly> {
  const body = openAssembly();
  writeTexts(body.writer, [response.model.name, response.model.version, answer.id]);
  const { parameters } = response;
  writeParameters(
    body.writer,
    4,
    answer.final === undefined ? parameters : new Map([...parameters, [FINAL, answer.final]]),
  );
  const outputs = answer.regions === undefined ? response.outputs : withRegions(response.outputs, answer.regions);
  yield* writeTensors(body, outputs, { word: "output", field: 5, contents: answer.contents, pace });
  if (answer.contents === "raw") writeRaw(body, outputs, 6);
  return body;
}

/** What lies in shared memory has its place among the raw contents, as Triton's clients count them, and nothing in it. */
function withRegions(outputs: readonly Tensor[], regions: ReadonlyMap<string, RegionPart>): readonly Tensor[] {
  return outputs.map((output) => {
    const part = regions.get(output.name);
    if (part === undefined) return output;
    const parameters = new Map([...(output.parameters ?? []), ...regionParameters(part)]);
    return { ...output, parameters, data: new Uint8Array(0) };
  });
}
