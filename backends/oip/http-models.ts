// What a server of the Open Inference Protocol over HTTP tells of its models: which there are, and their signatures.

import type { BackendModel } from "../../core/backend.ts";
import { InferError } from "../../core/error.ts";
import { compareVersions, type ModelMetadata, type ModelStatus } from "../../core/model.ts";
import { decodeHealth, decodeModelMetadata, type OipModelMetadata } from "../../wire/oip-metadata.ts";
import { type ConfigFacts, decodeIndex, decodeModelConfig, decodeModelNames } from "../../wire/oip-repository.ts";
import type { HttpAnswer } from "../connection.ts";
import { saidBy } from "./grpc-faults.ts";
import { bodyOf, isRefused, type OipHttpLink } from "./http-link.ts";
import { pathOf } from "./paths.ts";

/** Models asked about at the same time. */
const AT_ONCE = 16;

/** See `Connection.models`. */
export async function readModels(
  link: OipHttpLink,
  wanted: readonly string[],
  signal: AbortSignal,
): Promise<readonly ModelStatus[]> {
  const { list, describes } = link.quirks;
  if (!describes) return wanted.map((name) => takenAtItsWord(link, name));
  if (list === "index") {
    const answer = await link.post("/v2/repository/index", "{}", { signal });
    // a server may keep its repository to those who know a header
    if (!isRefused(answer)) return statusesOf(link, bodyOf(answer));
  }
  const listed = list === "names" ? await link.get("/v2/models", { signal }) : undefined;
  const names = listed === undefined || isRefused(listed) ? [] : decodeModelNames(bodyOf(listed));
  return readEach(link, [...new Set([...names, ...wanted])], signal);
}

function takenAtItsWord({ unversioned }: OipHttpLink, name: string): ModelStatus {
  unversioned.add(name);
  return { name, version: "1", state: "ready" };
}

function statusesOf({ unversioned }: OipHttpLink, index: Uint8Array): readonly ModelStatus[] {
  const models = decodeIndex(index);
  unversioned.clear();
  return models.map((model) => {
    if (model.version === undefined) unversioned.add(model.name);
    const reason = model.reason === undefined ? {} : { reason: saidBy(model.reason) };
    return { ...model, ...reason, version: model.version ?? "1" };
  });
}

async function readEach(
  link: OipHttpLink,
  names: readonly string[],
  signal: AbortSignal,
): Promise<readonly ModelStatus[]> {
  const found: ModelStatus[] = [];
  for (let from = 0; from < names.length; from += AT_ONCE) {
    const some = names.slice(from, from + AT_ONCE);
    found.push(...(await Promise.all(some.map((name) => readOne(link, name, signal)))).flat());
  }
  return found;
}

// The versions that metadata names, each asked whether it is ready.
async function readOne(link: OipHttpLink, name: string, signal: AbortSignal): Promise<readonly ModelStatus[]> {
  const described = await link.get(pathOf(link, { name }), { signal });
  if (isAbsent(described)) return [];
  const told = decodeModelMetadata(bodyOf(described));
  const versions = link.quirks.versions ? told.versions : [];
  if (versions.length === 0) link.unversioned.add(name);
  else link.unversioned.delete(name);
  const status = async (version: string): Promise<ModelStatus> => {
    const answer = await link.get(`${pathOf(link, { name, version })}/ready`, { signal });
    const isReady = !isAbsent(answer) && decodeHealth(bodyOf(answer)) !== false;
    return { name, version, state: isReady ? "ready" : "unavailable" };
  };
  return Promise.all((versions.length === 0 ? ["1"] : versions).map(status));
}

// Of a model that is not there, or not yet, servers say so in all these ways.
function isAbsent({ status }: HttpAnswer): boolean {
  return (status >= 400 && status < 500) || status === 501 || status === 503;
}

/** See `Connection.metadata`. */
export async function readMetadata(
  link: OipHttpLink,
  model: BackendModel,
  signal: AbortSignal,
): Promise<ModelMetadata> {
  if (!link.quirks.describes) throw untold(model);
  const told = decodeModelMetadata(bodyOf(await link.get(pathOf(link, model), { signal })));
  if (told.inputs.length === 0 && told.outputs.length === 0) throw untold(model);
  const facts = link.quirks.config ? await readConfig(link, model, signal) : undefined;
  const versions = told.versions.length === 0 ? ["1"] : [...told.versions].sort(compareVersions);
  return {
    name: model.name,
    version: model.version ?? versions.at(-1) ?? "1",
    versions,
    platform: told.platform,
    inputs: told.inputs.map((input) => (facts?.optional.has(input.name) ? { ...input, optional: true } : input)),
    outputs: told.outputs,
    ...(hasRows(told, facts) ? { batchDim: 0 } : {}),
    stateful: facts?.stateful ?? false,
    ...(facts?.decoupled ? { decoupled: true } : {}),
  };
}

function untold({ name }: BackendModel): InferError {
  return new InferError("unsupported", `the server does not tell the signature of model "${name}": declare it`);
}

async function readConfig(
  link: OipHttpLink,
  model: BackendModel,
  signal: AbortSignal,
): Promise<ConfigFacts | undefined> {
  const answer = await link.get(`${pathOf(link, model)}/config`, { signal });
  return isRefused(answer) ? undefined : decodeModelConfig(bodyOf(answer)).facts;
}

// Triton says it; elsewhere a first dimension of any size everywhere is taken for the rows.
function hasRows(told: OipModelMetadata, facts: ConfigFacts | undefined): boolean {
  if (facts !== undefined) return facts.maxBatchSize > 0;
  return told.inputs.length > 0 && [...told.inputs, ...told.outputs].every(({ shape }) => shape[0] === -1);
}
