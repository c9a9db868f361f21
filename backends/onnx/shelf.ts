// The versions that are known, with their states: what the catalog shows and what requests are resolved against.

import type { Env } from "../../core/env.ts";
import { InferError } from "../../core/error.ts";
import type { ModelState } from "../../core/event.ts";
import { type Catalog, compareVersions, type ModelStatus } from "../../core/model.ts";
import { describe, type ModelRef } from "../../core/request.ts";
import type { Artifact } from "./artifact.ts";

/** One version of a model, from when it is first seen until it is let go. */
export interface Version {
  readonly model: string;
  readonly version: string;
  state: ModelState;
  /** Why it is not ready. */
  error: InferError | undefined;
  /** What answers requests; it stays while a replacement loads or fails to. */
  current: Artifact | undefined;
  /** What its files and settings were when last looked at. */
  seen: string;
  /** What they were when it was last loaded, with success or without. */
  tried: string;
}

/** A version that answers now. */
export interface Resolved {
  readonly version: Version;
  readonly artifact: Artifact;
}

export interface Shelf {
  readonly catalog: Catalog;
  get(model: string, version: string): Version | undefined;
  /** Every version of a model, from old to new. */
  of(model: string): readonly Version[];
  models(): readonly string[];
  add(model: string, version: string): Version;
  remove(version: Version): void;
  /** Changes a version's state and tells everybody. */
  change(version: Version, state: ModelState, details?: Partial<Pick<Version, "error" | "current">>): void;
  /** The model's labels, as its settings have them. */
  relabel(model: string, labels: Readonly<Record<string, string>>): void;
  /** @throws InferError not-found for what is not there; unavailable, or why it cannot be loaded, for what is not ready */
  resolve(ref: ModelRef): Resolved;
}

export function openShelf(backend: string, env: Env): Shelf {
  const shelves = new Map<string, Map<string, Version>>();
  const labels = new Map<string, Readonly<Record<string, string>>>();
  const listeners = new Set<() => void>();
  // what every request asks for is worked out once a change
  const ready = new Map<string, readonly string[]>();

  const versionsOf = (model: string) => [...(shelves.get(model)?.values() ?? [])];
  const changed = (model: string) => {
    const versions = versionsOf(model);
    if (versions.length === 0) ready.delete(model);
    else
      ready.set(
        model,
        versions.filter((each) => each.current !== undefined).map((each) => each.version),
      );
    for (const listener of listeners) listener();
  };

  const catalog: Catalog = {
    list: () => [...shelves.keys()].sort().flatMap((model) => versionsOf(model).map(statusOf)),
    ready: (model) => ready.get(model),
    label: (model, label) => {
      const all = labels.get(model);
      return all !== undefined && Object.hasOwn(all, label) ? all[label] : undefined;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };

  const wantedOf = (ref: ModelRef): string | undefined => {
    const { name, select } = ref;
    if (select.by === "version") return select.version;
    if (select.by === "default") return ready.get(name)?.at(-1) ?? versionsOf(name).at(-1)?.version;
    return catalog.label(name, select.label);
  };

  return {
    catalog,
    get: (model, version) => shelves.get(model)?.get(version),
    of: versionsOf,
    models: () => [...shelves.keys()],
    add(model, version) {
      const entry: Version = {
        model,
        version,
        state: "loading",
        error: undefined,
        current: undefined,
        seen: "",
        tried: "",
      };
      const all = [...versionsOf(model), entry].sort((a, b) => compareVersions(a.version, b.version));
      shelves.set(model, new Map(all.map((each) => [each.version, each])));
      changed(model);
      return entry;
    },
    remove({ model, version }) {
      const shelf = shelves.get(model);
      shelf?.delete(version);
      if (shelf?.size === 0) {
        shelves.delete(model);
        labels.delete(model);
      }
      changed(model);
    },
    change(version, state, details = {}) {
      Object.assign(version, details);
      version.state = state;
      const reason = version.error?.message;
      env.emit({ type: "model-state", backend, model: version.model, version: version.version, state, reason });
      changed(version.model);
    },
    relabel(model, words) {
      labels.set(model, words);
    },
    resolve(ref) {
      const shelf = shelves.get(ref.name);
      if (shelf === undefined) throw new InferError("not-found", `model "${ref.name}" is not known`);
      const wanted = wantedOf(ref);
      const version = wanted === undefined ? undefined : shelf.get(wanted);
      if (version === undefined) throw new InferError("not-found", `${describe(ref)} is not known`);
      if (version.current !== undefined) return { version, artifact: version.current };
      throw notReady(version);
    },
  };
}

function statusOf(version: Version): ModelStatus {
  const { model, version: number, state, error } = version;
  return { name: model, version: number, state, ...(error === undefined ? {} : { reason: error.message }) };
}

function notReady({ model, version, state, error }: Version): InferError {
  const why = error?.message ?? state;
  const code = error?.code === "unsupported" ? "unsupported" : "unavailable";
  return new InferError(code, `model "${model}" version ${version} is not ready: ${why}`, { origin: "backend" });
}
