// What TensorFlow Serving tells of its models, whichever way it was asked: states, signatures, who answered.

import type { BackendModel } from "../../core/backend.ts";
import { InferError, invalid } from "../../core/error.ts";
import { compareVersions, type ModelMetadata, type ModelStatus } from "../../core/model.ts";
import type { ModelRef } from "../../core/request.ts";
import {
  signatureOf,
  statusOf,
  type TfsMetadata,
  type TfsSignature,
  type TfsVersionStatus,
} from "../../wire/tfs-signatures.ts";

/** How a server is asked about a model. */
export interface TfsTeller {
  /** All its versions; the model's when it names none. @throws InferError not-found */
  status(model: BackendModel, signal: AbortSignal): Promise<readonly TfsVersionStatus[]>;
  /** @throws InferError not-found */
  metadata(model: ModelRef, signal: AbortSignal): Promise<TfsMetadata>;
}

/** Models asked about at the same time. */
const AT_ONCE = 16;

/** See `Connection.models`: the server has no list, so only those wanted are asked about. */
export async function readModels(
  teller: TfsTeller,
  wanted: readonly string[],
  signal: AbortSignal,
): Promise<readonly ModelStatus[]> {
  const found: ModelStatus[] = [];
  for (let from = 0; from < wanted.length; from += AT_ONCE) {
    const names = wanted.slice(from, from + AT_ONCE);
    found.push(...(await Promise.all(names.map((name) => readModel(teller, name, signal)))).flat());
  }
  return found;
}

async function readModel(teller: TfsTeller, name: string, signal: AbortSignal): Promise<readonly ModelStatus[]> {
  try {
    return (await teller.status({ name }, signal)).map((version) => statusOf(name, version));
  } catch (error) {
    if (error instanceof InferError && error.code === "not-found") return [];
    throw error;
  }
}

/** See `Connection.metadata`: that of the one signature. */
export async function readMetadata(
  teller: TfsTeller,
  asked: { readonly model: BackendModel; readonly signature: string },
  signal: AbortSignal,
): Promise<ModelMetadata> {
  const { model, signature } = asked;
  const [told, status] = await Promise.all([
    teller.metadata(refOf(model), signal),
    teller.status({ name: model.name }, signal),
  ]);
  if (!told.signatures.has(signature)) throw untold(told, signature);
  const ready = status.filter(({ state }) => state === "AVAILABLE").map(({ version }) => version);
  return {
    ...signatureOf(signatureNamed(told, signature)),
    name: model.name,
    version: told.version || model.version || (ready.toSorted(compareVersions).at(-1) ?? "1"),
    versions: ready.toSorted(compareVersions),
    platform: "tensorflow_savedmodel",
    stateful: false,
  };
}

function untold(told: TfsMetadata, wanted: string): InferError {
  return new InferError(
    "unsupported",
    `model "${told.name}" has no signature "${wanted}", but ${namesOf(told)}: name one of them as signatureName`,
    { origin: "gateway" },
  );
}

function namesOf({ signatures }: TfsMetadata): string {
  const names = [...signatures.keys()].filter((key) => !key.startsWith("__"));
  return names.slice(0, 16).join(", ") || "none";
}

function refOf({ name, version }: BackendModel): ModelRef {
  return { name, select: version === undefined ? { by: "default" } : { by: "version", version } };
}

/** One of a model's signatures. @throws InferError invalid-argument naming those that it has */
export function signatureNamed(told: TfsMetadata, wanted: string): TfsSignature {
  const found = told.signatures.get(wanted);
  if (found !== undefined) return found;
  throw invalid(`model "${told.name}": expected a signature of ${namesOf(told)}, got "${wanted}"`);
}
