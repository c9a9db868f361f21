// What a server of the Open Inference Protocol over gRPC tells of its models: which there are, and their signatures.

import type { BackendModel } from "../../core/backend.ts";
import { InferError } from "../../core/error.ts";
import type { ModelState } from "../../core/event.ts";
import { compareVersions, type ModelMetadata, type ModelStatus, type TensorSpec } from "../../core/model.ts";
import { MODEL_CONFIG_ANSWER, type OipModelConfig } from "../../wire/oip-proto-config.ts";
import {
  decodeAnswer,
  decodeModelMetadata,
  INDEX,
  INDEX_REQUEST,
  MODEL_NAME,
  READY,
} from "../../wire/oip-proto-service.ts";
import { saidBy } from "./grpc-faults.ts";
import { type OipGrpcLink, versionThere } from "./grpc-link.ts";

/** Models asked about at the same time. */
const AT_ONCE = 16;

/** See `Connection.models`. */
export async function readModels(
  link: OipGrpcLink,
  wanted: readonly string[],
  signal: AbortSignal,
): Promise<readonly ModelStatus[]> {
  if (link.quirks.index) return readIndex(link, signal);
  const found: ModelStatus[] = [];
  for (let from = 0; from < wanted.length; from += AT_ONCE) {
    const names = wanted.slice(from, from + AT_ONCE);
    found.push(...(await Promise.all(names.map((name) => readModel(link, name, signal)))).flat());
  }
  return found;
}

const STATES: ReadonlyMap<string, ModelState> = new Map([
  ["READY", "ready"],
  ["LOADING", "loading"],
  ["UNLOADING", "unloading"],
]);

async function readIndex(link: OipGrpcLink, signal: AbortSignal): Promise<readonly ModelStatus[]> {
  const { models } = decodeAnswer(INDEX, await link.ask("RepositoryIndex", INDEX_REQUEST.encode({}), { signal }));
  link.unversioned.clear();
  return models.map(({ name, version, state, reason }): ModelStatus => {
    if (version === "") link.unversioned.add(name);
    const said = saidBy(reason) || (state === "" ? "not loaded" : "");
    // MLServer writes `State.READY`
    const known = STATES.get(state.replace(/^State\./, "")) ?? "unavailable";
    return { name, version: version || "1", state: known, ...(said === "" ? {} : { reason: said }) };
  });
}

// Without an index: the versions that metadata names, each asked whether it is ready.
async function readModel(link: OipGrpcLink, name: string, signal: AbortSignal): Promise<readonly ModelStatus[]> {
  const metadata = await askMetadata(link, { name }, signal).catch(absent);
  if (metadata instanceof InferError) {
    if (metadata.code === "not-found") return [];
    return [{ name, version: "1", state: "unavailable", reason: metadata.message }];
  }
  const versions = link.quirks.versions ? metadata.versions : [];
  if (versions.length === 0) link.unversioned.add(name);
  else link.unversioned.delete(name);
  const status = async (version: string): Promise<ModelStatus> => {
    const isReady = await askReady(link, { name, version }, signal).catch(absent);
    return { name, version, state: isReady === true ? "ready" : "unavailable" };
  };
  return Promise.all((versions.length === 0 ? ["1"] : versions).map(status));
}

// KServe and MLServer answer a question about a model that is not there, or not yet, with an error; a server that does not
// answer, or nobody who waits any longer, is another matter.
function absent(error: unknown): InferError {
  if (!(error instanceof InferError)) throw error;
  if (error.code === "cancelled" || error.code === "deadline-exceeded") throw error;
  if (error.code === "unavailable" && !/ready|exist|available versions/.test(error.message)) throw error;
  return error;
}

async function askReady(link: OipGrpcLink, model: BackendModel, signal: AbortSignal): Promise<boolean> {
  const bytes = await link.ask("ModelReady", MODEL_NAME.encode(wireName(link, model)), { signal });
  return decodeAnswer(READY, bytes).ready;
}

async function askMetadata(link: OipGrpcLink, model: BackendModel, signal: AbortSignal) {
  return decodeModelMetadata(await link.ask("ModelMetadata", MODEL_NAME.encode(wireName(link, model)), { signal }));
}

/** The model's name and version as the server's requests have them. */
export function wireName(link: OipGrpcLink, model: BackendModel): { readonly name: string; readonly version: string } {
  return { name: model.name, version: versionThere(link, model) ?? "" };
}

/** See `Connection.metadata`. */
export async function readMetadata(
  link: OipGrpcLink,
  model: BackendModel,
  signal: AbortSignal,
): Promise<ModelMetadata> {
  const told = await askMetadata(link, model, signal);
  if (told.inputs.length === 0 && told.outputs.length === 0) {
    throw new InferError("unsupported", `the server does not tell the signature of model "${model.name}": declare it`);
  }
  const versions = told.versions.length === 0 ? ["1"] : [...told.versions].sort(compareVersions);
  const config = link.quirks.config ? await readConfig(link, model, signal) : undefined;
  const batchDim = hasRows(told, config) ? { batchDim: 0 as const } : {};
  return {
    name: model.name,
    version: model.version ?? versions.at(-1) ?? "1",
    versions,
    platform: told.platform,
    inputs: config === undefined ? told.inputs : told.inputs.map((input) => withOptional(input, config)),
    outputs: told.outputs,
    ...batchDim,
    stateful: config?.sequence_batching !== undefined,
    ...(config?.model_transaction_policy?.decoupled === true ? { decoupled: true } : {}),
  };
}

/** Triton's ModelConfig. @throws InferError bad-backend when the answer has none */
export async function readConfig(link: OipGrpcLink, model: BackendModel, signal: AbortSignal): Promise<OipModelConfig> {
  const bytes = await link.ask("ModelConfig", MODEL_NAME.encode(wireName(link, model)), { signal });
  const { config } = decodeAnswer(MODEL_CONFIG_ANSWER, bytes);
  if (config !== undefined) return config;
  throw new InferError("bad-backend", "the backend's answer: expected a model's config, got none");
}

// Triton says it; elsewhere a first dimension of any size everywhere is taken for the rows.
function hasRows(told: Pick<ModelMetadata, "inputs" | "outputs">, config: OipModelConfig | undefined): boolean {
  if (config !== undefined) return config.max_batch_size > 0;
  return told.inputs.length > 0 && [...told.inputs, ...told.outputs].every(({ shape }) => shape[0] === -1);
}

function withOptional(input: TensorSpec, config: OipModelConfig): TensorSpec {
  const isOptional = config.input.some(({ name, optional }) => name === input.name && optional);
  return isOptional ? { ...input, optional: true } : input;
}
