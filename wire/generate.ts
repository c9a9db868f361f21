// Triton's generate: inputs as members of one JSON object, shaped by the model's signature, and outputs the same way.

import { InferError, invalid } from "../core/error.ts";
import type { ModelMetadata, TensorSpec } from "../core/model.ts";
import type { InferResponse } from "../core/request.ts";
import { elementCount, type Parameters, type ParameterValue, type Tensor } from "../core/tensor.ts";
import { writeData } from "./json-elements.ts";
import { readValue } from "./json-rows.ts";
import { writeValue } from "./json-rows-write.ts";
import { firstKey, isSliceOver, nextKey, type Scanner, skipSpace, syntaxError } from "./json-scan.ts";
import { openJson, readTree, type Tree } from "./json-tree.ts";
import { finishWriter, type JsonWriter, openWriter, put, putString } from "./json-write.ts";
import type { WireLimits } from "./oip-json.ts";
import { MAX_PARAMETERS } from "./oip-parameters.ts";
import { openPace, type Pace, type Sliced, type SliceOptions } from "./sliced.ts";

/** What the body of generate says. */
export interface GenerateRequest {
  readonly id: string | undefined;
  readonly inputs: readonly Tensor[];
  /** Members that are no input of the model's, and those of the member `parameters`. */
  readonly parameters: Parameters;
}

/**
 * Reads the body. A bare value or a list fills the dimensions that the signature leaves open; a list within lists has its own
 * shape; a dimension of rows that is not written is 1. Source: Triton, extension_generate.md.
 *
 * @throws InferError invalid-argument for a body that is no JSON object, a member that stands twice, a value that does not
 * suit its input, or a parameter that is an array or an object
 */
export function* decodeGenerate(
  body: Uint8Array,
  model: ModelMetadata,
  options: SliceOptions & { readonly limits: WireLimits },
): Sliced<GenerateRequest> {
  const { limits, ...slice } = options;
  const s = yield* openJson(body, { ...slice, maxNesting: limits.maxNesting });
  const specs = new Map(model.inputs.map((spec) => [spec.name, spec]));
  const inputs = new Map<string, Tensor>();
  const parameters = new Map<string, ParameterValue>();
  let id: string | undefined;
  for (let key = firstKey(s, "an object"); key !== undefined; key = nextKey(s)) {
    const spec = specs.get(key);
    if (inputs.has(key) || parameters.has(key)) throw invalid(`"${key}" stands twice`);
    if (spec !== undefined) {
      inputs.set(key, yield* readInput(s, spec, model.batchDim === 0));
    } else {
      const value = yield* readTree(s, { numbers: "values", depth: 1 });
      if (key === "id" && typeof value === "string") id = value;
      else if (key === "parameters" && isObject(value)) {
        for (const [name, each] of Object.entries(value)) setParameter(parameters, name, each);
      } else setParameter(parameters, key, value);
    }
    if (isSliceOver(s)) yield;
  }
  if (skipSpace(s) !== 0 || s.at < s.end) throw syntaxError(s, "the end of the text");
  return { id, inputs: [...inputs.values()], parameters };
}

function* readInput(s: Scanner, spec: TensorSpec, hasRows: boolean): Sliced<Tensor> {
  const label = `input "${spec.name}"`;
  const { name, datatype } = spec;
  const tensor = yield* readValue(s, { spec: { name, datatype }, label, depth: 1 });
  return { ...tensor, shape: fitted(tensor.shape, spec, hasRows) };
}

/** The shape that a value has for an input. What does not fit keeps its own shape, which the model will refuse. */
function fitted(own: readonly number[], { shape }: TensorSpec, hasRows: boolean): readonly number[] {
  if (own.length === shape.length) return own;
  if (hasRows && own.length === shape.length - 1) return [1, ...own];
  if (own.length > 1) return own;
  const count = elementCount(own);
  const wanted = shape.map((size, i) => (hasRows && i === 0 && size < 0 ? 1 : size));
  const open = wanted.findLastIndex((size) => size < 0);
  const known = wanted.reduce((product, size) => (size < 0 ? product : product * size), 1);
  return wanted.map((size, i) => (size >= 0 ? size : i === open && known > 0 ? Math.ceil(count / known) : 1));
}

function setParameter(parameters: Map<string, ParameterValue>, key: string, value: Tree): void {
  if (parameters.has(key)) throw invalid(`parameter "${key}" stands twice`);
  if (parameters.size === MAX_PARAMETERS) throw invalid(`the request has over ${MAX_PARAMETERS} parameters`);
  // null is nothing said
  if (value === null) return;
  if (typeof value === "object") {
    throw invalid(
      `"${key}" is no input of the model, and a parameter is a string, a boolean or a number: got a list or an object`,
    );
  }
  parameters.set(key, scalar(key, value));
}

/** A whole number becomes an integer; one beyond 2^53 has come as a marked text. */
function scalar(key: string, value: string | number | boolean): ParameterValue {
  if (typeof value === "number") return Number.isInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
  if (typeof value === "boolean" || !value.startsWith(MARK)) return value;
  if (value.startsWith(MARK, 1)) return value.slice(1);
  const number = BigInt(value.slice(1));
  if (number >= -(2n ** 63n) && number < 2n ** 64n) return number;
  throw invalid(`parameter "${key}": expected an integer of 64 bits at most`);
}

/** As `json-tree.ts` marks texts. */
const MARK = "\u0000";

function isObject(value: Tree): value is { readonly [name: string]: Tree } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Writes one answer: the model, then each output by its name, one element bare and several as a flat list.
 *
 * @throws InferError unsupported for FP16, BF16 and BYTES that are no UTF-8
 */
export function* encodeGenerate(
  response: InferResponse,
  id: string | undefined,
  options: SliceOptions = {},
): Sliced<readonly Uint8Array[]> {
  const w = openWriter();
  const pace = openPace(options);
  put(w, "{");
  if (id !== undefined && id !== "") {
    put(w, '"id":');
    putString(w, id);
    put(w, ",");
  }
  put(w, '"model_name":');
  putString(w, response.model.name);
  put(w, ',"model_version":');
  putString(w, response.model.version);
  for (const output of response.outputs) {
    put(w, ",");
    putString(w, output.name);
    put(w, ":");
    yield* writeOutput(w, output, pace);
  }
  put(w, "}");
  return finishWriter(w).parts;
}

function* writeOutput(w: JsonWriter, output: Tensor, pace: Pace): Sliced<void> {
  if (output.datatype === "FP16" || output.datatype === "BF16") {
    throw new InferError("unsupported", `output "${output.name}": ${output.datatype} has no JSON form`);
  }
  if (elementCount(output.shape) !== 1) {
    yield* writeData(w, output, { label: `output "${output.name}"`, pace });
    return;
  }
  yield* writeValue(w, { ...output, shape: [] }, { word: "output", form: "bare", pace });
}
