// The data plane: finds the logical model that a request names and answers what protocols ask about models.

import type { Backend } from "../core/backend.ts";
import type { Env } from "../core/env.ts";
import { InferError } from "../core/error.ts";
import { compareVersions, type ModelMetadata } from "../core/model.ts";
import type { PolicyKind } from "../core/policy.ts";
import type { DataPlane, ServerMetadata } from "../core/protocol.ts";
import type { ModelRef } from "../core/request.ts";
import type { Layer, Service } from "../core/service.ts";
import { gatewayStack, modelStack } from "./stack.ts";
import { chooseVersion, type Target, versionsOf } from "./versions.ts";

/** A model as clients know it. */
export interface LogicalModel {
  readonly name: string;
  readonly target: Target;
  readonly service: Service;
}

export interface ModelSetting {
  readonly name: string;
  readonly backend: string;
  readonly model: string;
  /** The model's policies: what follows each word, read by its kind. */
  readonly policies: ReadonlyMap<string, unknown>;
}

export interface PlaneOptions {
  readonly backends: readonly Backend[];
  /** The models of the config; when absent, every model of every backend under its own name. */
  readonly models: readonly ModelSetting[] | undefined;
  readonly policyKinds: readonly PolicyKind[];
  /** What holds for a word that a model does not have. */
  readonly defaults: ReadonlyMap<string, unknown>;
  readonly readiness: "gateway" | "any" | "all";
  readonly server: ServerMetadata;
  readonly env: Env;
}

/** @throws InferError invalid-argument when a name stands in two backends, naming both */
export function openPlane(options: PlaneOptions): DataPlane & { close(): void } {
  const find = options.models === undefined ? byCatalog(options) : byConfig(options, options.models);
  const lookUp = (ref: ModelRef): LogicalModel => {
    const model = find.model(ref.name);
    if (model === undefined) throw new InferError("not-found", `model "${ref.name}" is not known`);
    return model;
  };
  const infer = gatewayStack({
    env: options.env,
    knows: (name) => find.model(name) !== undefined,
    byModel: async (request, call) => lookUp(request.model).service(request, call),
  });
  const ready = async (ref: ModelRef, signal: AbortSignal): Promise<boolean> => {
    const { name, target } = lookUp(ref);
    let version: string;
    try {
      version = chooseVersion({ ...ref, name }, target);
    } catch (error) {
      if (error instanceof InferError && error.code === "unavailable") return false;
      throw error;
    }
    const answers = target.backend.endpoints
      .list()
      .map((endpoint) => endpoint.ready({ name: target.model, version }, signal));
    return (await Promise.all(answers)).includes(true);
  };
  return {
    infer,
    ready,
    async signature(ref, signal) {
      const { name, target } = lookUp(ref);
      const version = chooseVersion({ ...ref, name }, target);
      const metadata = await target.backend.metadata({ name: target.model, version }, signal);
      return { ...metadata, name } satisfies ModelMetadata;
    },
    live: () => true,
    serverReady: () => serverReady(options.readiness, find.models()),
    models: () => find.models().map((model) => model.name),
    serverMetadata: () => options.server,
    close: find.close,
  };
}

interface Finder {
  model(name: string): LogicalModel | undefined;
  models(): readonly LogicalModel[];
  close(): void;
}

function byConfig(options: PlaneOptions, settings: readonly ModelSetting[]): Finder {
  const backends = new Map(options.backends.map((backend) => [backend.name, backend]));
  const models = new Map<string, LogicalModel>();
  for (const { name, backend: backendName, model, policies } of settings) {
    const backend = backends.get(backendName);
    if (backend === undefined) throw new InferError("invalid-argument", `models.${name}: no backend "${backendName}"`);
    models.set(name, logicalModel(options, { name, target: { backend, model }, policies }));
  }
  const list = [...models.values()];
  return { model: (name) => models.get(name), models: () => list, close: () => {} };
}

/** Follows the backends' catalogs: a model appears and goes with its files. */
function byCatalog(options: PlaneOptions): Finder {
  let models = catalogModels(options, { strict: true, before: new Map() });
  const refresh = () => {
    models = catalogModels(options, { strict: false, before: models });
  };
  const stops = options.backends.map((backend) => backend.catalog.onChange(refresh));
  return {
    model: (name) => models.get(name),
    models: () => [...models.values()],
    close() {
      for (const stop of stops) stop();
    },
  };
}

interface CatalogPass {
  /** At start a name in two backends is an error; later the one that was there first stays. */
  readonly strict: boolean;
  readonly before: ReadonlyMap<string, LogicalModel>;
}

function catalogModels(options: PlaneOptions, pass: CatalogPass): ReadonlyMap<string, LogicalModel> {
  const models = new Map<string, LogicalModel>();
  for (const backend of options.backends) {
    for (const name of new Set(backend.catalog.list().map((status) => status.name))) {
      const known = pass.before.get(name);
      const other = models.get(name);
      if (other !== undefined) {
        const text = `model "${name}" is in backend "${other.target.backend.name}" and in backend "${backend.name}": name it under models`;
        if (pass.strict) throw new InferError("invalid-argument", text);
        options.env.log.warn({ model: name }, text);
        if (known?.target.backend !== backend) continue;
      }
      const same = known?.target.backend === backend ? known : undefined;
      models.set(
        name,
        same ?? logicalModel(options, { name, target: { backend, model: name }, policies: NO_POLICIES }),
      );
    }
  }
  return new Map([...models].sort(([a], [b]) => compareVersions(a, b)));
}

interface ModelParts {
  readonly name: string;
  readonly target: Target;
  readonly policies: ReadonlyMap<string, unknown>;
}

const NO_POLICIES: ReadonlyMap<string, unknown> = new Map();

function logicalModel(options: PlaneOptions, parts: ModelParts): LogicalModel {
  const { name, target } = parts;
  const layers = new Map<string, Layer>();
  for (const [word, value] of new Map([...options.defaults, ...parts.policies])) {
    const kind = options.policyKinds.find((one) => one.word === word);
    if (kind?.place === "layer") layers.set(word, kind.build(value, { model: name, env: options.env }));
  }
  return { name, target, service: modelStack({ layers, route: versionsOf(name, target) }) };
}

function serverReady(readiness: PlaneOptions["readiness"], models: readonly LogicalModel[]): boolean {
  const isReady = ({ target }: LogicalModel) => (target.backend.catalog.ready(target.model)?.length ?? 0) > 0;
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
