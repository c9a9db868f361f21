// The bodies of a model behind SageMaker: the format that the config names there, the answer's own content type back.

import { invalid } from "../../core/error.ts";
import type { InferRequest } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import { CSV_TYPE, decodeCsv, encodeCsv } from "../../wire/csv.ts";
import { decodeJsonLines, encodeJsonLines, JSON_LINES_TYPE } from "../../wire/json-lines.ts";
import { type RowSpec, readColumns } from "../../wire/json-rows.ts";
import { writeColumns } from "../../wire/json-rows-write.ts";
import { type Scanner, skipSpace } from "../../wire/json-scan.ts";
import { openJson } from "../../wire/json-tree.ts";
import { finishWriter, openWriter, put } from "../../wire/json-write.ts";
import { encodeRequest as encodeInstances, readRowValue } from "../../wire/kserve-v1.ts";
import { decodeNpy, encodeNpy, NPY_TYPE } from "../../wire/npy.ts";
import { DEFAULT_WIRE_LIMITS } from "../../wire/oip-json.ts";
import { contentTypeOf, mediaType, opaqueTensor, payloadOf, UNKNOWN_TYPE } from "../../wire/opaque.ts";
import { openPace, type Sliced } from "../../wire/sliced.ts";
import type { Door, HttpAnswer } from "../connection.ts";
import {
  BARE_OUTPUT,
  inputBytes,
  isJson,
  MAX_NESTING,
  MAX_OUTPUTS,
  readAnswer,
  readSliced,
  SMALL_BYTES,
} from "../http/answers.ts";
import { isOpaque, knownAnswer, type Reading, refuseOtherType } from "../http/bodies.ts";
import { select } from "../http/expression.ts";
import type { Format } from "./words.ts";

/** A body and what it is. */
export interface TypedBody {
  readonly parts: readonly Uint8Array[];
  readonly contentType: string;
}

const JSON_TYPE = "application/json";

/**
 * The request's body: an opaque payload as it is, anything else in the format.
 *
 * @throws InferError unsupported for tensors that the format cannot carry
 */
export async function writeBody(
  request: InferRequest,
  format: Format,
  how: { readonly door: Pick<Door, "run">; readonly signal: AbortSignal },
): Promise<TypedBody> {
  const [first, second] = request.inputs;
  const type = first === undefined || second !== undefined ? undefined : contentTypeOf(first);
  if (first !== undefined && type !== undefined) return { parts: [payloadOf(first)], contentType: type };
  if (format === "npy") {
    if (first === undefined || second !== undefined) {
      throw invalid(
        `expected one input, which is what an array of NumPy holds, got ${request.inputs.length}; format: instances carries several`,
      );
    }
    return { parts: encodeNpy(first), contentType: NPY_TYPE };
  }
  const { work, contentType } = textWork(request, format);
  const parts = await how.door.run(work, { small: inputBytes(request) <= SMALL_BYTES, signal: how.signal });
  return { parts, contentType };
}

function textWork(request: InferRequest, format: Exclude<Format, "npy">) {
  const { inputs } = request;
  const form = inputs.length === 1 ? "bare" : "named";
  switch (format) {
    case "instances":
      return { work: encodeInstances(inputs, { odd: "token" }), contentType: JSON_TYPE };
    case "inputs":
      return { work: encodeInputs(inputs, form), contentType: JSON_TYPE };
    case "csv":
      return { work: encodeCsv(inputs), contentType: CSV_TYPE };
    case "json-lines":
      return { work: encodeJsonLines(inputs, form), contentType: JSON_LINES_TYPE };
    default:
      return format satisfies never;
  }
}

function* encodeInputs(inputs: readonly Tensor[], form: "bare" | "named"): Sliced<readonly Uint8Array[]> {
  const w = openWriter();
  put(w, '{"inputs":');
  yield* writeColumns(w, inputs, { word: "input", pace: openPace({}), form, floats: "fraction" });
  put(w, "}");
  return finishWriter(w).parts;
}

/** The tensors of an answer, by its content type; what nobody knows how to read is one opaque payload. */
export async function readBody(
  answer: Pick<HttpAnswer, "headers" | "body">,
  request: InferRequest,
  reading: Reading,
): Promise<readonly Tensor[]> {
  const known = await knownAnswer(request, reading);
  const { body } = answer;
  const contentType = answer.headers.get("content-type") ?? UNKNOWN_TYPE;
  const bareName = known.outputs?.[0]?.name ?? BARE_OUTPUT;
  const specs = known.outputs === undefined ? {} : { specs: known.outputs };
  const how = { bytes: body.byteLength, signal: reading.signal };
  const type = mediaType(contentType);
  if (isOpaque(known)) return [opaqueTensor(bareName, body, { contentType })];
  if (isJson(contentType)) return readSliced(reading.door, readDocument(body, known.outputs), how);
  if (type === CSV_TYPE && known.outputs !== undefined) {
    return readSliced(reading.door, decodeCsv(body, { bareName, ...specs }), how);
  }
  if (type === JSON_LINES_TYPE || type === "application/x-ndjson") {
    const many = { word: "output", label: "the answer", bareName, maxTensors: MAX_OUTPUTS, ...specs } as const;
    return readSliced(reading.door, decodeJsonLines(body, many, { maxNesting: MAX_NESTING }), how);
  }
  if (type === NPY_TYPE) return readSliced(reading.door, npyTensor(body, bareName), how);
  refuseOtherType(known, contentType);
  return [opaqueTensor(bareName, body, { contentType })];
}

// biome-ignore lint/correctness/useYield: an array needs no slices, its data is a view
function* npyTensor(body: Uint8Array, name: string): Sliced<readonly Tensor[]> {
  return [{ name, ...decodeNpy(body) }];
}

// {"predictions": rows}, {"outputs": columns}, or the outputs themselves.
function* readDocument(body: Uint8Array, outputs: readonly RowSpec[] | undefined): Sliced<readonly Tensor[]> {
  const specs = outputs === undefined ? {} : { specs: outputs };
  const predictions = yield* member(body, "predictions");
  if (predictions !== undefined) {
    const place = { word: "output", label: "predictions", depth: 1, limits: DEFAULT_WIRE_LIMITS, ...specs } as const;
    return (yield* readRowValue(predictions, place)).tensors;
  }
  const found = outputs?.some(({ name }) => name === "outputs") === true ? undefined : yield* member(body, "outputs");
  if (found === undefined) return yield* readAnswer(body, outputs === undefined ? {} : { outputs });
  const many = {
    word: "output",
    label: "outputs",
    depth: 1,
    bareName: BARE_OUTPUT,
    maxTensors: MAX_OUTPUTS,
    ...specs,
  } as const;
  return (yield* readColumns(found, { ...many, extra: outputs === undefined ? "infer" : "skip" })).tensors;
}

function* member(body: Uint8Array, name: string): Sliced<Scanner | undefined> {
  const s = yield* openJson(body, { maxNesting: MAX_NESTING });
  if (skipSpace(s) !== 0x7b) return undefined;
  return yield* select(s, { text: name, plan: { by: "path", steps: [name] } });
}
