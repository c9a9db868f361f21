// What one server was seen to have at one moment; servers that have the same share one look.

import type { BackendModel } from "../../core/backend.ts";
import { compareVersions, type ModelStatus } from "../../core/model.ts";

/** The models of one server, as it told them. */
export interface Look {
  /** As they were told. */
  readonly told: readonly ModelStatus[];
  /** By name, then from old to new; each version once. */
  readonly statuses: readonly ModelStatus[];
  /** The ready versions of each model that it knows, from old to new. */
  readonly ready: ReadonlyMap<string, readonly string[]>;
}

/**
 * The look of what was told: one of the known ones where it says the same, so that many servers with many models cost
 * the memory of one.
 */
export function lookOf(told: readonly ModelStatus[], known: Iterable<Look>): Look {
  for (const look of known) if (sameStatuses(look.told, told)) return look;
  const statuses = sortStatuses(told);
  return { told, statuses, ready: readyOf(statuses) };
}

/** Whether the look has the version ready, or any where none is named. */
export function hasReady(look: Look, { name, version }: BackendModel): boolean {
  const versions = look.ready.get(name);
  if (versions === undefined) return false;
  return version === undefined ? versions.length > 0 : versions.includes(version);
}

/** Whether two lists say the same, in the same order. */
export function sameStatuses(a: readonly ModelStatus[], b: readonly ModelStatus[]): boolean {
  return a.length === b.length && a.every((status, i) => sameStatus(status, b[i]));
}

/** Whether two statuses say the same. */
export function sameStatus(a: ModelStatus, b: ModelStatus | undefined): boolean {
  return a.name === b?.name && a.version === b.version && a.state === b.state && a.reason === b.reason;
}

/** By name, then from old to new; of several that name the same version the last one. */
export function sortStatuses(statuses: readonly ModelStatus[]): readonly ModelStatus[] {
  const models = new Map<string, Map<string, ModelStatus>>();
  for (const status of statuses) {
    const versions = models.get(status.name) ?? new Map<string, ModelStatus>();
    models.set(status.name, versions);
    versions.set(status.version, status);
  }
  return [...models.keys()]
    .sort()
    .flatMap((name) => [...(models.get(name)?.values() ?? [])].sort((a, b) => compareVersions(a.version, b.version)));
}

/** The ready versions of each model in a sorted list; an empty list for a model that has none. */
export function readyOf(statuses: readonly ModelStatus[]): ReadonlyMap<string, readonly string[]> {
  const ready = new Map<string, string[]>();
  for (const { name, version, state } of statuses) {
    const versions = ready.get(name) ?? [];
    ready.set(name, versions);
    if (state === "ready") versions.push(version);
  }
  return ready;
}
