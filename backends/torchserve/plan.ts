// How one call is asked of TorchServe: what its model's handler takes and gives, under which version.

import type { Call } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { TensorSpec } from "../../core/model.ts";
import type { InferRequest, ResolvedModel } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import { contentTypeOf, mediaType } from "../../wire/opaque.ts";
import { encodeRequest, type Format, type TypedBody } from "../../wire/torchserve.ts";
import { type AnswerForm, answerForm, decodeResponse } from "../../wire/torchserve-answers.ts";
import { cast, type Numeric } from "../bridge/cast.ts";
import type { Door } from "../connection.ts";
import { inputBytes, knownSignature, readSliced, SMALL_BYTES } from "../http/answers.ts";
import type { TorchServeWords } from "./words.ts";

/** What a connection keeps of the server's models. */
export interface Versions {
  /** The versions that the server, or the config, tells of a model; undefined where nobody does. */
  of(model: string): readonly string[] | undefined;
}

/** What a call needs of its server. */
export interface Asked {
  readonly words: TorchServeWords;
  readonly door: Door;
  readonly versions: Versions;
}

export interface Plan {
  readonly request: InferRequest;
  readonly call: Call;
  readonly format: Format;
  /** The version to be named there; the server's default one when absent. */
  readonly version?: string;
  /** Who answers. */
  readonly model: ResolvedModel;
  readonly form: AnswerForm;
  /** The declared outputs. */
  readonly specs?: readonly TensorSpec[];
}

/** @throws InferError unsupported for a task or label that TorchServe does not have */
export async function planOf({ words, door, versions }: Asked, request: InferRequest, call: Call): Promise<Plan> {
  checkRequest(request);
  const { name } = request.model;
  const said = words.models[name];
  const format = said?.format ?? formatFor(request.inputs);
  const model = modelOf(request, versions.of(name));
  const signature = await knownSignature(
    door,
    model.version === undefined ? { name } : { name, version: model.version },
    call.signal,
  );
  // an explanation has a form of its own
  const specs = request.task === "explain" || signature?.outputs.length === 0 ? undefined : signature?.outputs;
  return {
    request,
    call,
    format,
    ...model,
    form: request.task === "explain" ? "opaque" : (said?.answer ?? answerForm(format, specs)),
    ...(specs === undefined ? {} : { specs }),
  };
}

function checkRequest({ task, model }: InferRequest): void {
  if (model.select.by === "label") {
    throw new InferError("unsupported", `model "${model.name}": TorchServe has no labels of versions`);
  }
  if (task === "infer" || task === "explain") return;
  throw new InferError(
    "unsupported",
    `expected the task infer or explain, got ${task}, which TorchServe does not have`,
  );
}

/** What tells for itself: payloads go as they are. */
function formatFor(inputs: readonly Tensor[]): Format {
  const types = inputs.map((input) => mediaType(contentTypeOf(input)));
  if (types.length === 0 || types.includes("")) return "json-instances";
  return types.length === 1 ? "raw" : "multipart";
}

function modelOf(
  { model: { name, select } }: InferRequest,
  told: readonly string[] | undefined,
): Pick<Plan, "version" | "model"> {
  // the version of a model whose versions nobody tells was made up
  if (select.by === "version" && (told !== undefined || select.version !== MADE_UP)) {
    return { version: select.version, model: { name, version: select.version } };
  }
  const [only, second] = told ?? [MADE_UP];
  return { model: { name, version: only === undefined || second !== undefined ? "default" : only } };
}

/** The version of a model whose versions nobody tells. */
export const MADE_UP = "1";

/** The body of a call. */
export async function writeBody({ door }: Asked, { request, call, format }: Plan): Promise<TypedBody> {
  const work = encodeRequest(request, { format, boundary: boundary(door) });
  return door.run(work, { small: inputBytes(request) <= SMALL_BYTES, signal: call.signal });
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** What no part of a form holds but by a chance of 1 in 62^32. */
function boundary({ env }: Door): string {
  return Array.from({ length: 32 }, () => LETTERS[Math.floor(env.random() * LETTERS.length)]).join("");
}

/** The outputs in an answer, in the declared datatypes. */
export async function readBody(
  { door }: Asked,
  plan: Plan,
  answer: { readonly body: Uint8Array; readonly contentType: string | undefined },
): Promise<readonly Tensor[]> {
  const { format, form, specs, call } = plan;
  const { body, contentType } = answer;
  const known = { format, form, contentType, ...(specs === undefined ? {} : { specs }) };
  const how = { bytes: body.byteLength, signal: call.signal };
  const outputs = await readSliced(door, decodeResponse(body, known), how);
  if (format !== "kserve-v2" || specs === undefined) return outputs;
  const casts = outputs.map((output) => castOutput({ door, plan }, output, specs));
  return Promise.all(casts);
}

// The kserve-v2 envelope makes every number FP64 or INT64.
async function castOutput(
  { door, plan }: { readonly door: Door; readonly plan: Plan },
  output: Tensor,
  specs: readonly TensorSpec[],
): Promise<Tensor> {
  const to = specs.find(({ name }) => name === output.name)?.datatype ?? output.datatype;
  if (to === output.datatype) return output;
  const refuse = (value: unknown, index: number) =>
    new InferError("bad-backend", `output "${output.name}": element ${index} is ${value}, which is no ${to}`);
  if (to === "BYTES" || output.datatype === "BYTES") {
    throw new InferError("bad-backend", `output "${output.name}": expected ${to}, got ${output.datatype}`);
  }
  const types: { readonly from: Numeric; readonly to: Numeric } = { from: output.datatype, to };
  const how = { bytes: output.data.byteLength, signal: plan.call.signal };
  return { ...output, datatype: to, data: await readSliced(door, cast(output.data, types, refuse), how) };
}
