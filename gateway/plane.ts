// The data plane: finds the logical model that a request names and answers what protocols ask about models.

import type { ModelConfig } from "../config/config.ts";
import type { Backend } from "../core/backend.ts";
import { asInferError, InferError } from "../core/error.ts";
import { compareVersions } from "../core/model.ts";
import type { DataPlane } from "../core/protocol.ts";
import type { ModelRef } from "../core/request.ts";
import { explain } from "./explain.ts";
import { type LogicalModel, openModel, type PlaneOptions } from "./model.ts";
import { type Kept, openKept } from "./parts.ts";
import { aboveModels, gatewayStack } from "./stack.ts";
import { chooseVersion, targetsServe } from "./versions.ts";

/** The data plane and the models behind it. */
export interface Plane extends DataPlane {
  find(model: string): LogicalModel | undefined;
  close(): void;
}

export interface Plane extends DataPlane {
  /**
   * Compares the signatures of each model's versions. A model that goes on from the tree before serves as it did, whatever
   * its servers tell by now: what does not fit there is answered, each in a line.
   *
   * @throws InferError invalid-argument naming all that do not fit in the models that are new
   */
  check(signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Makes the models of the config that are new ready for their first request, as far as their servers let it before the
   * signal is aborted. Never throws.
   */
  prepare(signal: AbortSignal): Promise<void>;
  close(): void;
}

/** @throws InferError invalid-argument when a name stands in two backends, naming both */
export function openPlane(options: PlaneOptions): Plane {
  const find = options.models === undefined ? byCatalog(options) : byConfig(options, options.models);
  const lookUp = (ref: ModelRef): LogicalModel => {
    const model = find.model(ref.name);
    if (model === undefined) throw new InferError("not-found", `model "${ref.name}" is not known`);
    return model;
  };
  const layers = options.layers ?? new Map();
  const questions = aboveModels({ layers, byModel: (request, call) => lookUp(request.model).service(request, call) });
  const infer = gatewayStack({
    env: options.env,
    knows: (name) => find.model(name) !== undefined,
    layers,
    async byModel(request, call) {
      const { service } = lookUp(request.model);
      options.note?.(request, call);
      return service(request, call);
    },
  });
  return {
    infer,
    find: find.model,
    async ready(ref) {
      const { name, versions } = lookUp(ref);
      try {
        return targetsServe(versions.targets(chooseVersion({ ...ref, name }, versions)));
      } catch (error) {
        if (error instanceof InferError && error.code === "unavailable") return false;
        throw error;
      }
    },
    versions: (name) =>
      named(lookUp, name)
        .versions.list()
        .map((one) => ({ ...one, name })),
    dialect: (name) => find.model(name)?.dialect,
    async signature(ref, signal) {
      const { name, versions, signature } = lookUp(ref);
      return signature(chooseVersion({ ...ref, name }, versions), signal);
    },
    explain: async (request, call) => explain({ model: lookUp(request.model), questions }, request, call),
    reports: (name) => named(lookUp, name).route.reports(),
    live: () => true,
    serverReady: () => serverReady(options.readiness, find.models()),
    models: () => find.models().map((model) => model.name),
    serverMetadata: () => options.server,
    async check(signal) {
      const [fresh, kept] = [find.models().filter(find.isNew), find.models().filter((model) => !find.isNew(model))];
      const later = Promise.all(kept.map((model) => model.compare(signal)));
      const checked = await Promise.allSettled(fresh.map((model) => model.check(signal)));
      const faults = checked.flatMap((one) => (one.status === "rejected" ? [asInferError(one.reason).message] : []));
      if (faults.length > 0) throw new InferError("invalid-argument", faults.join("\n"));
      return (await later).flat();
    },
    async prepare(signal) {
      // who names no models has those of his servers as they come
      const fresh = options.models === undefined ? [] : find.models().filter(find.isNew);
      await Promise.all(fresh.map((model) => model.prepare(signal)));
    },
    close: find.close,
  };
}

const named = (lookUp: (ref: ModelRef) => LogicalModel, name: string) => lookUp({ name, select: { by: "default" } });

interface Finder {
  model(name: string): LogicalModel | undefined;
  models(): readonly LogicalModel[];
  /** Whether the tree before had it not. */
  isNew(model: LogicalModel): boolean;
  close(): void;
}

function byConfig(options: PlaneOptions, settings: readonly ModelConfig[]): Finder {
  const kept = modelsOf(options);
  const models = new Map(settings.map((setting) => [setting.name, kept.use(setting)]));
  const list = [...models.values()];
  return { model: (name) => models.get(name), models: () => list, isNew: kept.isNew, close: kept.close };
}

interface Models {
  use(setting: ModelConfig): LogicalModel;
  drop(setting: ModelConfig): void;
  isNew(model: LogicalModel): boolean;
  close(): void;
}

/** The models of the tree, which go on with those of the tree before where nothing that they depend on has changed. */
function modelsOf(options: PlaneOptions): Models {
  const parts: Kept<LogicalModel> = options.kept?.parts ?? openKept();
  const keyOf = options.kept?.keyOf ?? (({ name, source }: ModelConfig) => `${name} ${source}`);
  const opened = new WeakSet<LogicalModel>();
  const open = (setting: ModelConfig) => {
    const model = openModel(options, setting);
    opened.add(model);
    return model;
  };
  return {
    use: (setting) => parts.use(keyOf(setting), () => open(setting)),
    drop: (setting) => parts.drop(keyOf(setting)),
    isNew: (model) => opened.has(model),
    close: parts.close,
  };
}

/** Follows the backends' catalogs: a model appears and goes with its files. */
function byCatalog(options: PlaneOptions): Finder {
  const kept = modelsOf(options);
  let models = catalogModels(options, { strict: true, before: new Map(), kept });
  const refresh = () => {
    const before = models;
    models = catalogModels(options, { strict: false, before, kept });
    for (const [name, { model, setting }] of before) if (models.get(name)?.model !== model) kept.drop(setting);
  };
  const stops = options.backends.map(({ backend }) => backend.catalog.onChange(refresh));
  return {
    model: (name) => models.get(name)?.model,
    models: () => [...models.values()].map(({ model }) => model),
    isNew: kept.isNew,
    close() {
      for (const stop of stops) stop();
      kept.close();
    },
  };
}

/** A model of a backend's catalog. */
interface Found {
  readonly backend: Backend;
  readonly setting: ModelConfig;
  readonly model: LogicalModel;
}

interface CatalogPass {
  /** At start a name in two backends is an error; later the one that was there first stays. */
  readonly strict: boolean;
  readonly before: ReadonlyMap<string, Found>;
  readonly kept: Models;
}

function catalogModels(options: PlaneOptions, pass: CatalogPass): ReadonlyMap<string, Found> {
  const models = new Map<string, Found>();
  for (const { backend } of options.backends) {
    for (const name of new Set(backend.catalog.list().map((status) => status.name))) {
      const known = pass.before.get(name);
      const other = models.get(name);
      if (other !== undefined) {
        const text = `model "${name}" is in backend "${other.backend.name}" and in backend "${backend.name}": name it under models`;
        if (pass.strict) throw new InferError("invalid-argument", text);
        options.env.log.warn({ model: name }, text);
        if (known?.backend !== backend) continue;
      }
      const same = known?.backend === backend ? known : undefined;
      const setting = same?.setting ?? catalogModel(name, backend);
      models.set(name, same ?? { backend, setting, model: pass.kept.use(setting) });
    }
  }
  return new Map([...models].sort(([a], [b]) => compareVersions(a, b)));
}

function catalogModel(name: string, backend: Backend): ModelConfig {
  const target = { backend: backend.name, model: name, tags: [] };
  const runs = { by: "backend", target } as const;
  // one word, which no model of a config has: all that it depends on is its backend
  const source = JSON.stringify({ of: backend.name });
  return { name, runs, labels: new Map(), signature: undefined, policies: new Map(), source };
}

function serverReady(readiness: PlaneOptions["readiness"], models: readonly LogicalModel[]): boolean {
  const isReady = ({ versions }: LogicalModel) => (versions.ready()?.length ?? 0) > 0;
  switch (readiness) {
    case "gateway":
      return true;
    case "any":
      return models.some(isReady);
    case "all":
      return models.every(isReady);
    default:
      return readiness satisfies never;
  }
}
