// Answers of TorchServe's handlers, read into tensors: by the signature's outputs where there is one, else as they are.

import { InferError } from "../core/error.ts";
import { elementCount, type Tensor } from "../core/tensor.ts";
import type { RowSpec } from "./json-rows.ts";
import { firstKey, jump, nextKey, type Scanner, skipSpace } from "./json-scan.ts";
import { skipValue } from "./json-skip.ts";
import { openJson } from "./json-tree.ts";
import { readRowValue } from "./kserve-v1.ts";
import { decodeResponse as decodeV2 } from "./oip-binary.ts";
import { DEFAULT_WIRE_LIMITS, type WireLimits } from "./oip-json.ts";
import { readOpaque, UNKNOWN_TYPE } from "./opaque.ts";
import type { Sliced, SliceOptions } from "./sliced.ts";
import { BODY_NAME, type Format } from "./torchserve.ts";

/** What is known of an answer before it is read. */
export interface KnownAnswer {
  readonly format: Format;
  /** What the answer says it is; TorchServe says nothing unless the handler does. */
  readonly contentType: string | undefined;
  /** The signature's outputs; absent where nothing is known. */
  readonly specs?: readonly RowSpec[];
  /** Whether the handler answers with JSON, or with a payload of its own kind. `answerForm` tells it. */
  readonly form: AnswerForm;
  readonly limits?: WireLimits;
}

export type AnswerForm = "json" | "opaque";

/**
 * The form of an answer where nobody declares it: JSON in the declared outputs' types; a payload where no outputs are
 * declared, or one of BYTES from a model that takes payloads too.
 */
export function answerForm(format: Format, specs: readonly RowSpec[] | undefined): AnswerForm {
  if (format === "kserve-v1" || format === "kserve-v2") return "json";
  if (specs === undefined || specs.length === 0) return "opaque";
  const takesPayloads = format === "raw" || format === "multipart";
  return takesPayloads && specs.length === 1 && specs[0]?.datatype === "BYTES" ? "opaque" : "json";
}

/**
 * Reads an answer: a payload as one BYTES tensor; JSON as rows (a list), columns (an object of outputs) or the value of
 * the only output; rows also under `predictions`. Outputs that the signature does not have are left out.
 *
 * @throws InferError bad-backend for an answer that is none of it
 */
export function* decodeResponse(
  body: Uint8Array,
  known: KnownAnswer,
  options: SliceOptions = {},
): Sliced<readonly Tensor[]> {
  const { format, form, specs, contentType = UNKNOWN_TYPE, limits = DEFAULT_WIRE_LIMITS } = known;
  if (form === "opaque") return [yield* readOpaque(specs?.[0]?.name ?? BODY_NAME, body, { contentType })];
  if (format === "kserve-v2") {
    const { outputs } = yield* decodeV2(body, { ...options, limits });
    return specs === undefined ? outputs : fitOutputs(outputs, specs);
  }
  try {
    return yield* readJson(body, { ...known, limits }, options);
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    throw new InferError("bad-backend", `the backend's answer cannot be read: ${error.message}`, { cause: error });
  }
}

function* readJson(
  body: Uint8Array,
  known: KnownAnswer & { readonly limits: WireLimits },
  options: SliceOptions,
): Sliced<readonly Tensor[]> {
  const { specs, limits } = known;
  const s = yield* openJson(body, { ...options, maxNesting: limits.maxNesting });
  const at = { word: "output", limits, ...(specs === undefined ? {} : { specs }) } as const;
  const isNamed = specs?.some(({ name }) => name === PREDICTIONS) ?? false;
  if (skipSpace(s) === 0x7b && !isNamed && (yield* findMember(s, PREDICTIONS))) {
    return (yield* readRowValue(s, { ...at, label: PREDICTIONS, depth: 1 })).tensors;
  }
  return (yield* readRowValue(s, { ...at, label: "the answer", depth: 0 })).tensors;
}

const PREDICTIONS = "predictions";

/** Goes to the value of a member of the object at the scanner's place, or stays there when it has none. */
function* findMember(s: Scanner, name: string): Sliced<boolean> {
  const from = s.at;
  for (let key = firstKey(s, "an object"); key !== undefined; key = nextKey(s)) {
    if (key === name) return true;
    yield* skipValue(s, 1);
  }
  jump(s, from);
  return false;
}

/**
 * The outputs of the kserve-v2 envelope under the signature's names and in its shapes: TorchServe flattens them and names
 * the first after the first input, and so on. Their datatypes are as they came, FP64 and INT64 mostly.
 *
 * @throws InferError bad-backend where there are fewer than the signature has
 */
export function fitOutputs(outputs: readonly Tensor[], specs: readonly RowSpec[]): readonly Tensor[] {
  const byName = new Map(outputs.map((output) => [output.name, output]));
  const isNamed = specs.every(({ name }) => byName.has(name));
  return specs.map((spec, index) => {
    const output = isNamed ? byName.get(spec.name) : outputs[index];
    if (output === undefined) {
      throw new InferError(
        "bad-backend",
        `the backend's answer: expected ${specs.length} outputs, got ${outputs.length}`,
      );
    }
    return { ...output, name: spec.name, shape: shapeFor(output, spec.shape) };
  });
}

// A flat tensor in the declared shape, its one open size found from the number of elements; else as it came.
function shapeFor(output: Tensor, declared: readonly number[] | undefined): readonly number[] {
  if (declared === undefined || output.shape.length !== 1) return output.shape;
  const count = elementCount(output.shape);
  const open = declared.filter((size) => size < 0).length;
  const fixed = declared.reduce((product, size) => (size < 0 ? product : product * size), 1);
  if (open > 1 || fixed === 0) return output.shape;
  const rest = count / fixed;
  if (open === 0 ? rest !== 1 : !Number.isInteger(rest)) return output.shape;
  return declared.map((size) => (size < 0 ? rest : size));
}
