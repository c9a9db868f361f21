// A backend whose models, states and answers the test decides while the gateway serves them.

import { z } from "zod";
import { type Backend, type BackendKind, type Endpoint, fixedPool } from "../../core/backend.ts";
import { InferError } from "../../core/error.ts";
import type { ModelState } from "../../core/event.ts";
import { type Catalog, compareVersions, type ModelMetadata, type ModelStatus } from "../../core/model.ts";
import type { Service } from "../../core/service.ts";

export interface FakeVersion {
  readonly service: Service;
  readonly inputs?: ModelMetadata["inputs"];
  readonly outputs?: ModelMetadata["outputs"];
  readonly signatures?: ModelMetadata["signatures"];
  readonly state?: ModelState;
  readonly reason?: string;
  readonly label?: string;
}

export interface FakeBackend {
  readonly kind: BackendKind;
  /** Adds a version or puts another in its place; who serves the backend hears of it. */
  put(model: string, version: string, init: FakeVersion): void;
  remove(model: string, version: string): void;
}

/** A kind of its own for every fake, so that several may stand in one config. */
export function fakeBackend(word = "fake", { signatures = false } = {}): FakeBackend {
  const models = new Map<string, Map<string, FakeVersion>>();
  const listeners = new Set<() => void>();
  const changed = () => {
    for (const listener of listeners) listener();
  };
  return {
    kind: {
      kind: word,
      options: z.strictObject({}),
      open: async (_options, { name }) => openFake(name, word, { models, listeners, signatures }),
    },
    put(model, version, init) {
      const versions = models.get(model) ?? new Map<string, FakeVersion>();
      models.set(model, versions.set(version, init));
      changed();
    },
    remove(model, version) {
      models.get(model)?.delete(version);
      if (models.get(model)?.size === 0) models.delete(model);
      changed();
    },
  };
}

interface Held {
  readonly signatures: boolean;
  readonly models: ReadonlyMap<string, ReadonlyMap<string, FakeVersion>>;
  readonly listeners: Set<() => void>;
}

function openFake(name: string, kind: string, held: Held): Backend {
  const find = (model: string, version: string | undefined): FakeVersion => {
    const found = held.models.get(model)?.get(version ?? "");
    if (found === undefined) throw new InferError("not-found", `model "${model}" version ${version} is not known`);
    return found;
  };
  const infer: Service = (request, call) => {
    const { select } = request.model;
    return find(request.model.name, select.by === "version" ? select.version : undefined).service(request, call);
  };
  const endpoint: Endpoint = {
    id: `${name}/fake`,
    zone: undefined,
    weight: 1,
    tier: 0,
    tags: [],
    infer,
    slots: { free: 1, busy: 0, take: async () => ({ release: () => {} }), onFree: () => () => {} },
    available: () => true,
    serves: ({ name: model, version = "" }) => {
      const found = held.models.get(model)?.get(version);
      return found !== undefined && (found.state ?? "ready") === "ready";
    },
    ready: async ({ name: model, version }) => (find(model, version).state ?? "ready") === "ready",
    close: async () => {},
  };
  return {
    name,
    kind,
    catalog: catalogOf(held),
    signatures: held.signatures,
    endpoints: fixedPool([endpoint]),
    async metadata({ name: model, version }) {
      const { inputs = [], outputs = [], signatures } = find(model, version);
      const versions = [...(held.models.get(model)?.keys() ?? [])];
      const named = signatures === undefined ? {} : { signatures };
      const known = { name: model, version: version ?? "", versions, platform: "fake" };
      return { ...known, ...named, inputs, outputs, stateful: false };
    },
    close: async () => {},
  };
}

function catalogOf({ models, listeners }: Pick<Held, "models" | "listeners">): Catalog {
  const versionsOf = (model: string) => [...(models.get(model) ?? [])].sort(([a], [b]) => compareVersions(a, b));
  return {
    list: () =>
      [...models.keys()].flatMap((name) =>
        versionsOf(name).map(
          ([version, { state = "ready", reason }]): ModelStatus => ({
            name,
            version,
            state,
            ...(reason === undefined ? {} : { reason }),
          }),
        ),
      ),
    ready(model) {
      if (!models.has(model)) return undefined;
      return versionsOf(model).flatMap(([version, { state = "ready" }]) => (state === "ready" ? [version] : []));
    },
    label: (model, label) => versionsOf(model).find(([, version]) => version.label === label)?.[0],
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
