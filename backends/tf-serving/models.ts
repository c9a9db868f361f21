// What TensorFlow Serving tells of its models, whichever way it was asked: states, signatures, who answered.

import type { BackendModel } from "../../core/backend.ts";
import type { Clock } from "../../core/env.ts";
import { InferError, invalid } from "../../core/error.ts";
import { compareVersions, type ModelMetadata, type ModelStatus, type NamedSignature } from "../../core/model.ts";
import type { ModelRef } from "../../core/request.ts";
import type { RowSpec } from "../../wire/json-rows.ts";
import {
  signatureOf,
  statusOf,
  type TfsMetadata,
  type TfsSignature,
  type TfsTensorInfo,
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
  const signatures = namedOf(told);
  return {
    ...signatureOf(signatureNamed(told, signature)),
    ...(signatures.size > 1 ? { signatures } : {}),
    name: model.name,
    version: told.version || model.version || (ready.toSorted(compareVersions).at(-1) ?? "1"),
    versions: ready.toSorted(compareVersions),
    platform: "tensorflow_savedmodel",
    stateful: false,
  };
}

/** Those that can be asked; a signature with a tensor of a datatype that we do not have cannot. */
function namedOf({ signatures }: TfsMetadata): ReadonlyMap<string, NamedSignature> {
  return new Map(
    [...signatures].flatMap(([name, signature]) => {
      const isKnown = [...signature.inputs, ...signature.outputs].every(({ datatype }) => datatype !== undefined);
      return isKnown && !name.startsWith("__") ? [[name, { ...signatureOf(signature), method: signature.method }]] : [];
    }),
  );
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

/** What an answer in JSON is read by. */
export interface KnownOutputs {
  readonly specs: readonly RowSpec[];
  readonly version: string;
}

/** Tells the outputs of a signature beside the usual one, or of the version behind a label. */
export type ToldOutputs = (
  asked: { readonly model: ModelRef; readonly signature: string },
  signal: AbortSignal,
) => Promise<KnownOutputs>;

/** How long what was told is believed: a newer version may be served then. */
const TOLD_MS = 5000;
/** Signatures kept; beyond that the oldest goes. */
const MOST_TOLD = 256;

/** Asks the server, and keeps the answers for a few seconds, but not that of a label, which may move at any time. */
export function openTold(teller: TfsTeller, clock: Pick<Clock, "now">): ToldOutputs {
  const kept = new Map<string, { readonly outputs: KnownOutputs; readonly untilMs: number }>();
  return async ({ model, signature }, signal) => {
    const key = JSON.stringify([model, signature]);
    const known = kept.get(key);
    if (known !== undefined && known.untilMs > clock.now()) return known.outputs;
    const told = await teller.metadata(model, signal);
    const outputs = { specs: signatureNamed(told, signature).outputs.map(rowSpecOf), version: told.version };
    if (model.select.by === "label") return outputs;
    kept.delete(key);
    kept.set(key, { outputs, untilMs: clock.now() + TOLD_MS });
    for (const oldest of kept.keys()) {
      if (kept.size <= MOST_TOLD) break;
      kept.delete(oldest);
    }
    return outputs;
  };
}

function rowSpecOf({ name, datatype, shape }: TfsTensorInfo): RowSpec {
  return { name, ...(datatype === undefined ? {} : { datatype }), ...(shape === undefined ? {} : { shape }) };
}
