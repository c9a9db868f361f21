// The control plane: models by the names that clients know, loaded, unloaded and described by the backends that run them.

import type { Backend, BackendModel, ControlPlane, LoadOptions } from "../core/backend.ts";
import { InferError } from "../core/error.ts";
import type { ModelStatus } from "../core/model.ts";
import { synthesizeConfig } from "../wire/model-config.ts";
import type { LogicalModel } from "./model.ts";
import type { Plane } from "./plane.ts";
import { chooseVersion, type Target } from "./versions.ts";

export interface ControlParts {
  readonly plane: Plane;
  readonly backends: readonly Backend[];
  /** Models come from the backends' own lists: one that is in none of them may be loaded into the only backend that can. */
  readonly byCatalog: boolean;
  /** Whether clients may load and unload. */
  readonly mayChange: boolean;
}

/** What the gateway offers of it: everything, where the config lets clients change anything and a backend can. */
export function openControl(parts: ControlParts): Required<Omit<ControlPlane, "statistics">> {
  return {
    list: async () => listModels(parts.plane),
    load: (model, signal, options) => change(parts, model, { word: "load", signal, options }),
    unload: (model, signal) => change(parts, model, { word: "unload", signal, options: undefined }),
    config: (model, signal) => configOf(parts.plane, model, signal),
  };
}

function listModels(plane: Plane): readonly ModelStatus[] {
  return plane
    .models()
    .flatMap((name) => (plane.find(name)?.versions.list() ?? []).map((status) => ({ name, ...status })));
}

interface Change {
  readonly word: "load" | "unload";
  readonly signal: AbortSignal;
  readonly options: LoadOptions | undefined;
}

/** Asks every backend that the model runs on, once for each name there. */
async function change(parts: ControlParts, name: string, asked: Change): Promise<void> {
  const { word, signal, options } = asked;
  if (!parts.mayChange) {
    throw new InferError(
      "permission-denied",
      `no client may ${word} models here: the config can allow it with triton.control`,
    );
  }
  const places = placesOf(parts, name, word);
  for (const { at } of places) {
    const { control } = at;
    if (control?.[word] === undefined) {
      throw new InferError("unsupported", `${failed(word, name)}, backend "${at.name}" cannot ${word} models`);
    }
  }
  for (const { at, model } of places) {
    const { control } = at;
    if (word === "load") await control?.load?.(model, signal, options);
    else await control?.unload?.(model, signal);
  }
}

type Place = Pick<Target, "at" | "model">;

function placesOf(
  { plane, backends, byCatalog }: ControlParts,
  name: string,
  word: "load" | "unload",
): readonly Place[] {
  const known = plane.find(name);
  if (known !== undefined) {
    const places = new Map(targetsOf(known).map(({ at, model }) => [`${at.name} ${model}`, { at, model }]));
    return [...places.values()];
  }
  const able = backends.filter(({ control }) => control?.[word] !== undefined);
  const [only] = able;
  if (byCatalog && only !== undefined && able.length === 1) return [{ at: only, model: name }];
  throw new InferError("not-found", `${failed(word, name)}, no such model is known here`);
}

/** Triton's clients look for these words. */
function failed(word: string, model: string): string {
  return `failed to ${word} '${model}'`;
}

function targetsOf({ versions }: LogicalModel): readonly Target[] {
  const known = versions.list();
  // a model that has no version now is still at its one target
  return known.length === 0 ? versions.targets("") : known.flatMap(({ version }) => versions.targets(version));
}

/**
 * The backend's own config where it has one in Triton's words and nothing is renamed on the way; else one that says what the
 * signature says.
 */
async function configOf(plane: Plane, asked: BackendModel, signal: AbortSignal): Promise<unknown> {
  const model = plane.find(asked.name);
  if (model === undefined) throw new InferError("not-found", `model "${asked.name}" is not known`);
  const { name, version } = asked;
  const chosen = chooseVersion(
    { name, select: version === undefined ? { by: "default" } : { by: "version", version } },
    model.versions,
  );
  const [target] = model.versions.targets(chosen);
  const own = target === undefined || target.bridge !== undefined ? undefined : await ownConfig(target, signal);
  if (own !== undefined) return { ...own, name };
  return synthesizeConfig(await model.signature(chosen, signal));
}

async function ownConfig({ at, model, version }: Target, signal: AbortSignal): Promise<object | undefined> {
  try {
    const told = await at.control?.config?.({ name: model, ...(version === undefined ? {} : { version }) }, signal);
    return isConfig(told) ? told : undefined;
  } catch (error) {
    // the signature is kept and can be told even when the server cannot
    if (error instanceof InferError && error.origin === "backend") return undefined;
    throw error;
  }
}

function isConfig(told: unknown): told is object {
  return typeof told === "object" && told !== null && "max_batch_size" in told && "input" in told;
}
