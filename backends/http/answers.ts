// Answers of servers that speak plain JSON, read into tensors: by the model's signature where there is one.

import type { BackendModel } from "../../core/backend.ts";
import { InferError, invalid } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { InferRequest, ResolvedModel } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import { type RowSpec, readColumns } from "../../wire/json-rows.ts";
import { skipSpace, syntaxError } from "../../wire/json-scan.ts";
import { openJson } from "../../wire/json-tree.ts";
import { mediaType } from "../../wire/opaque.ts";
import type { Sliced, SliceOptions } from "../../wire/sliced.ts";
import type { Door } from "../connection.ts";

/** How deep an answer's JSON may nest. */
export const MAX_NESTING = 100;
/** More outputs than any model has. */
export const MAX_OUTPUTS = 1024;
/** Bodies up to this are read and written at once. */
export const SMALL_BYTES = 64 * 1024;

/** The name of an answer's only value where nothing names it. */
export const BARE_OUTPUT = "output";

/** What is known of an answer before it is read. */
export interface KnownAnswer {
  /** The outputs that the signature declares, or as much of them as a server tells; absent where nothing is known. */
  readonly outputs?: readonly RowSpec[];
  /** What becomes of members that `outputs` does not have; `skip` when absent. */
  readonly extra?: "skip" | "infer";
}

/**
 * Reads one JSON value: an object of outputs by name, or the value of the only one. Members that the signature does not
 * have are left out; without a signature every member is an output, its datatype found out from its text.
 *
 * @throws InferError invalid-argument for anything else, which `answerFault` turns round
 */
export function* readAnswer(
  body: Uint8Array,
  known: KnownAnswer,
  options: SliceOptions = {},
): Sliced<readonly Tensor[]> {
  const s = yield* openJson(body, { ...options, maxNesting: MAX_NESTING });
  const specs = known.outputs === undefined ? {} : { specs: known.outputs };
  const { tensors } = yield* readColumns(s, {
    word: "output",
    label: "the answer",
    depth: 0,
    bareName: known.outputs?.[0]?.name ?? BARE_OUTPUT,
    extra: known.outputs === undefined ? "infer" : (known.extra ?? "skip"),
    maxTensors: MAX_OUTPUTS,
    ...specs,
  });
  if (skipSpace(s) !== 0 || s.at < s.end) throw syntaxError(s, "the end of the text");
  return tensors;
}

/** The spec of an output that has only a name. */
export function specOf(name: string, known: KnownAnswer): RowSpec {
  return known.outputs?.find((spec) => spec.name === name) ?? { name };
}

/** A fault that was found in an answer: the backend's, not the caller's. */
export function answerFault(error: unknown): InferError {
  if (!(error instanceof InferError)) return new InferError("internal", "internal error", { cause: error });
  if (error.origin !== "client" || error.code === "cancelled") return error;
  return new InferError("bad-backend", `the backend's answer: ${error.message}`, { cause: error });
}

/** Whether a media type is JSON: `application/json`, or anything that ends in `+json`. */
export function isJson(contentType: string | undefined): boolean {
  const type = mediaType(contentType);
  return type === "application/json" || type === "text/json" || type.endsWith("+json");
}

/** Runs the reading of an answer in slices, its faults turned round. */
export async function readSliced<T>(
  door: Pick<Door, "run">,
  work: Sliced<T>,
  how: { readonly bytes: number; readonly signal: AbortSignal },
): Promise<T> {
  try {
    return await door.run(work, { small: how.bytes <= SMALL_BYTES, signal: how.signal });
  } catch (error) {
    throw answerFault(error);
  }
}

/** Bytes of all inputs: whether writing them needs slices. */
export function inputBytes(request: InferRequest): number {
  let bytes = 0;
  for (const { data } of request.inputs) bytes += data.byteLength;
  return bytes;
}

/** The outputs that a request asks for, in its order, for servers that always give all of them. */
export function chooseOutputs(request: InferRequest, tensors: readonly Tensor[]): readonly Tensor[] {
  if (request.outputs === undefined || request.outputs.length === 0) return tensors;
  return request.outputs.map(({ name }) => {
    const tensor = tensors.find((each) => each.name === name);
    if (tensor !== undefined) return tensor;
    throw invalid(`output "${name}": expected one of ${tensors.map((each) => `"${each.name}"`).join(", ") || "none"}`);
  });
}

/** The model's signature, or undefined where neither the config nor the server tells one. */
export async function knownSignature(
  door: Pick<Door, "signature">,
  model: BackendModel,
  signal: AbortSignal,
): Promise<ModelMetadata | undefined> {
  try {
    return await door.signature(model, signal);
  } catch (error) {
    if (error instanceof InferError && (error.code === "unsupported" || error.code === "not-found")) return undefined;
    throw error;
  }
}

/** The model of a request as a backend names it. */
export function modelOf(request: InferRequest): BackendModel {
  const { name, select } = request.model;
  return select.by === "version" ? { name, version: select.version } : { name };
}

/** Who answered, for servers without versions: their one version is "1". */
export function answeredBy(request: InferRequest): ResolvedModel {
  const { name, select } = request.model;
  return { name, version: select.by === "version" ? select.version : "1" };
}

/** Refuses every task but inference. */
export function checkTask(request: InferRequest): void {
  if (request.task !== "infer") {
    throw new InferError(
      "unsupported",
      `expected the task infer, got ${request.task}, which this backend does not have`,
    );
  }
}
