// The versions of a logical model: the backend's own, or those that the config declares, each with its targets.

import type { Runs } from "../config/config.ts";
import type { Backend } from "../core/backend.ts";
import type { TargetRef } from "../core/bridge.ts";
import { InferError } from "../core/error.ts";
import { compareVersions, type ModelStatus } from "../core/model.ts";
import { describe, type ModelRef } from "../core/request.ts";

/** Where a version runs: a target of the config and the backend that it names. */
export interface Target extends TargetRef {
  readonly at: Backend;
}

/** What can be asked about the versions of one logical model now; cheap, for every request. */
export interface Versions {
  /** The ready ones, from old to new; undefined when the backend does not know the model. */
  ready(): readonly string[] | undefined;
  /** All that are known, from old to new. */
  list(): readonly Omit<ModelStatus, "name">[];
  /** Whether the version is known, ready or not. */
  knows(version: string): boolean;
  label(word: string): string | undefined;
  /** Where the version runs, with the version there. */
  targets(version: string): readonly Target[];
  /** Why a version, or the model as a whole, is not ready. */
  whyNot(version: string | undefined): string;
  /** The config declares them all: one that is not known will not come. */
  readonly closed: boolean;
}

export interface VersionsOptions {
  readonly runs: Runs;
  readonly labels: ReadonlyMap<string, string>;
  readonly backend: (name: string) => Backend;
}

export function openVersions({ runs, labels, backend }: VersionsOptions): Versions {
  const place = (ref: TargetRef): Target => ({ ...ref, at: backend(ref.backend) });
  if (runs.by === "backend") return ownVersions(place(runs.target), labels);
  const targets = new Map([...runs.versions].map(([version, refs]) => [version, refs.map(place)]));
  return declaredVersions(targets, labels);
}

/** The versions that the target's backend has, or the one of them that the target names. */
function ownVersions(target: Target, labels: ReadonlyMap<string, string>): Versions {
  const { at, model } = target;
  const only = target.version;
  const wanted = (version: string) => only === undefined || version === only;
  const all = () => at.catalog.list().filter((one) => one.name === model && wanted(one.version));
  return {
    ready: () => (only === undefined ? at.catalog.ready(model) : at.catalog.ready(model)?.filter(wanted)),
    list: all,
    knows: (version) => all().some((one) => one.version === version),
    label: (word) => labels.get(word) ?? at.catalog.label(model, word),
    targets: (version) => [{ ...target, version }],
    whyNot: (version) => {
      if (at.catalog.ready(model) === undefined) return `backend "${at.name}" has no model "${model}" now`;
      return reason(all().findLast((one) => version === undefined || one.version === version));
    },
    closed: false,
  };
}

/** The versions of the config: ready when at least one of its targets is. */
function declaredVersions(
  versions: ReadonlyMap<string, readonly Target[]>,
  labels: ReadonlyMap<string, string>,
): Versions {
  const names = [...versions.keys()].sort(compareVersions);
  const targets = (version: string) => versions.get(version) ?? [];
  const isReady = (version: string) => targets(version).some(targetReady);
  const all = [...versions.values()].flat();
  return {
    ready: () => names.filter(isReady),
    list: () => names.map((version) => statusOf(version, targets(version))),
    knows: (version) => versions.has(version),
    label: (word) => labels.get(word),
    targets,
    whyNot: (version) => {
      const asked = version === undefined ? all : targets(version);
      return [...new Set(asked.map(whyTargetNot))].join("; ");
    },
    closed: true,
  };
}

function statusOf(version: string, targets: readonly Target[]): Omit<ModelStatus, "name"> {
  if (targets.some(targetReady)) return { version, state: "ready" };
  return { version, state: "unavailable", reason: [...new Set(targets.map(whyTargetNot))].join("; ") };
}

function targetReady({ at, model, version }: Target): boolean {
  const ready = at.catalog.ready(model) ?? [];
  return version === undefined ? ready.length > 0 : ready.includes(version);
}

function whyTargetNot({ at, model, version }: Target): string {
  const status = at.catalog
    .list()
    .findLast((one) => one.name === model && (version === undefined || one.version === version));
  const there = version === undefined ? `"${model}"` : `"${model}" version ${version}`;
  return status === undefined ? `backend "${at.name}" has no ${there} now` : `on "${at.name}" ${reason(status)}`;
}

function reason(status: { readonly state: string; readonly reason?: string } | undefined): string {
  if (status === undefined) return "no version";
  return status.reason === undefined ? status.state : `${status.state}: ${status.reason}`;
}

/**
 * The version that a reference means now: the one named, the one behind the label, or the newest ready one.
 *
 * @throws InferError not-found for a version or label that is not there, unavailable when none is ready
 */
export function chooseVersion(ref: ModelRef, versions: Versions): string {
  const ready = versions.ready();
  if (ready === undefined && !versions.closed) {
    throw new InferError("unavailable", `model "${ref.name}": ${versions.whyNot(undefined)}`);
  }
  const version = named(ref, versions) ?? ready?.at(-1);
  if (version === undefined) throw notReady(ref, versions, undefined);
  if (ready?.includes(version)) return version;
  if (versions.knows(version)) throw notReady(ref, versions, version);
  throw new InferError("not-found", `${describe(ref)} is not known: versions ready are ${ready?.join(", ") || "none"}`);
}

function named(ref: ModelRef, versions: Versions): string | undefined {
  switch (ref.select.by) {
    case "default":
      return undefined;
    case "version":
      return ref.select.version;
    case "label": {
      const version = versions.label(ref.select.label);
      if (version === undefined) throw new InferError("not-found", `${describe(ref)} is not known`);
      return version;
    }
    default:
      return ref.select satisfies never;
  }
}

function notReady(ref: ModelRef, versions: Versions, version: string | undefined): InferError {
  return new InferError("unavailable", `${describe(ref)} is not ready (${versions.whyNot(version)})`);
}

/** Whether at least one endpoint of the targets is known to answer for the version now. */
export function targetsServe(targets: readonly Target[]): boolean {
  return targets.some(({ at, model, version, tags }) => {
    const there = { name: model, ...(version === undefined ? {} : { version }) };
    return at.endpoints
      .list()
      .some((one) => tags.every((tag) => one.tags.includes(tag)) && one.available() && one.serves(there));
  });
}
