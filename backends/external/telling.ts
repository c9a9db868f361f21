// Asking servers for a model's signature, one after the other, until one tells it.

import type { BackendModel } from "../../core/backend.ts";
import { unlessAborted } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { asInferError, InferError } from "../../core/error.ts";
import type { Catalog, ModelMetadata, Signature } from "../../core/model.ts";
import { formatDuration } from "../../core/units.ts";

/** What a signature is asked of. */
export interface Teller {
  readonly id: string;
  readonly healthy: boolean;
  serves(model: BackendModel): boolean;
  metadata(model: BackendModel, signal: AbortSignal): Promise<ModelMetadata>;
}

/** What the config says of a model there. */
export interface Said {
  readonly declared?: Signature | undefined;
  readonly batchDim?: boolean | undefined;
}

export interface TellingOptions {
  readonly backend: string;
  readonly kind: string;
  readonly env: Pick<Env, "clock">;
  readonly catalog: Pick<Catalog, "ready">;
  tellers(): readonly Teller[];
  said(model: string): Said;
}

/** A version of a model; empty where the backend knows none. */
export type Version = Required<BackendModel>;

export interface Told {
  readonly metadata: ModelMetadata;
  /** Who told it; undefined when it is what the config declares. */
  readonly from: string | undefined;
  /** It holds until something changes; else only for now, because no server could be asked. */
  readonly lasting: boolean;
}

/** How long a server may take to tell a signature. */
const ASK_MS = 10_000;
/** How many servers are asked before the failure is final. */
const MOST_TELLERS = 3;

/**
 * The signature as the first server that can tell it tells it, else as the config declares it.
 *
 * @throws InferError what the last server said, or unavailable when no server can be asked
 */
export async function tell(options: TellingOptions, model: Version, life: AbortSignal): Promise<Told> {
  const asked = modelOf(model);
  const healthy = options.tellers().filter((one) => one.healthy);
  const serving = healthy.filter((one) => one.serves(asked));
  const tellers = (serving.length > 0 ? serving : healthy).slice(0, MOST_TELLERS);
  let fault = nobodyTells(options.backend, asked);
  for (const teller of tellers) {
    try {
      return { metadata: await askOne(options, { teller, model }, life), from: teller.id, lasting: true };
    } catch (error) {
      fault = asInferError(error);
      if (fault.retryable !== "elsewhere" && fault.code !== "deadline-exceeded") break;
    }
  }
  const { declared } = options.said(model.name);
  if (declared === undefined) throw fault;
  return {
    metadata: complete(options, model, { ...declared, platform: options.kind, stateful: false }),
    from: undefined,
    lasting: fault.code === "unsupported",
  };
}

/** What one server tells, in the form in which it is kept. */
export async function askOne(
  options: TellingOptions,
  { teller, model }: { readonly teller: Teller; readonly model: Version },
  life: AbortSignal,
): Promise<ModelMetadata> {
  const controller = new AbortController();
  const late = new InferError("unavailable", `no signature within ${formatDuration(ASK_MS)}`);
  const stop = () => controller.abort(life.reason);
  const stopTimer = options.env.clock.after(ASK_MS, () => controller.abort(late));
  if (life.aborted) stop();
  else life.addEventListener("abort", stop, { once: true });
  try {
    const told = teller.metadata(modelOf(model), controller.signal);
    return complete(options, model, await unlessAborted(told, controller.signal));
  } finally {
    stopTimer();
    life.removeEventListener("abort", stop);
  }
}

/** What a server, or the config, says of a model at least. */
type Telling = Omit<ModelMetadata, "name" | "version" | "versions"> &
  Partial<Pick<ModelMetadata, "version" | "versions">>;

/** Under the name and version that were asked for, with the catalog's versions where the server has none. */
function complete(options: TellingOptions, model: Version, told: Telling): ModelMetadata {
  const { batchDim: toldDim, ...rest } = told;
  const { batchDim } = options.said(model.name);
  const rows = batchDim ?? toldDim === 0;
  const ready = options.catalog.ready(model.name) ?? [];
  return {
    ...rest,
    name: model.name,
    version: model.version === "" ? (told.version ?? "1") : model.version,
    versions: ready.length > 0 ? ready : (told.versions ?? []),
    ...(rows ? { batchDim: 0 } : {}),
  };
}

function modelOf({ name, version }: Version): BackendModel {
  return version === "" ? { name } : { name, version };
}

function nobodyTells(backend: string, { name, version }: BackendModel): InferError {
  const which = version === undefined ? `model "${name}"` : `model "${name}" version ${version}`;
  return new InferError("unavailable", `${which}: no endpoint of backend "${backend}" can tell its signature now`);
}
