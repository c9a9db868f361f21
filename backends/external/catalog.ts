// The models of a backend: the union of what its servers have.

import type { Env } from "../../core/env.ts";
import type { ModelState } from "../../core/event.ts";
import type { Catalog, ModelStatus } from "../../core/model.ts";
import { type Look, readyOf, sameStatus, sameStatuses, sortStatuses } from "./looks.ts";

/** What the catalog reads of an endpoint. */
export interface Source {
  readonly healthy: boolean;
  /** What it was last seen to have; undefined before the first time. */
  readonly look: Look | undefined;
}

export interface LiveCatalog extends Catalog {
  /** To be said when an endpoint came, went, changed its health or was seen to have something else. */
  update(): void;
}

export interface CatalogOptions {
  readonly backend: string;
  readonly env: Pick<Env, "emit">;
  sources(): readonly Source[];
}

const NOBODY = "no endpoint that has it is healthy";
/** Of several endpoints the one that is nearest to being ready speaks for the version. */
const RANKS: Readonly<Record<ModelState, number>> = { ready: 4, loading: 3, unloading: 2, unavailable: 1 };

/**
 * A version is ready when at least one healthy endpoint has it ready. What only endpoints without health were seen to
 * have is known, and unavailable.
 */
export function openCatalog({ backend, env, sources }: CatalogOptions): LiveCatalog {
  const listeners = new Set<() => void>();
  let statuses: readonly ModelStatus[] = [];
  let ready: ReadonlyMap<string, readonly string[]> = new Map();
  return {
    list: () => statuses,
    ready: (model) => ready.get(model),
    label: () => undefined,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    update() {
      const before = statuses;
      const now = unionOf(sources());
      if (sameStatuses(before, now)) return;
      statuses = now;
      ready = readyOf(now);
      tellChanges({ backend, env, before, now });
      for (const listener of listeners) listener();
    },
  };
}

function unionOf(sources: readonly Source[]): readonly ModelStatus[] {
  const healthy = new Set<Look>();
  const others = new Set<Look>();
  for (const { healthy: well, look } of sources) if (look !== undefined) (well ? healthy : others).add(look);
  for (const look of healthy) others.delete(look);
  const [only] = healthy;
  if (only !== undefined && healthy.size === 1 && others.size === 0) return only.statuses;
  // later ones win in sortStatuses, so the nearest to ready comes last
  const all = [...healthy].flatMap((look) => look.statuses);
  const lost = [...others].flatMap((look) => look.statuses.map(({ name, version }) => lostStatus(name, version)));
  return sortStatuses([...lost, ...all.sort((a, b) => RANKS[a.state] - RANKS[b.state])]);
}

function lostStatus(name: string, version: string): ModelStatus {
  return { name, version, state: "unavailable", reason: NOBODY };
}

interface Changes {
  readonly backend: string;
  readonly env: Pick<Env, "emit">;
  readonly before: readonly ModelStatus[];
  readonly now: readonly ModelStatus[];
}

function tellChanges({ backend, env, before, now }: Changes): void {
  const key = ({ name, version }: ModelStatus) => JSON.stringify([name, version]);
  const old = new Map(before.map((status) => [key(status), status]));
  const tell = ({ name, version, state, reason }: ModelStatus) =>
    env.emit({ type: "model-state", backend, model: name, version, state, reason });
  for (const status of now) {
    if (!sameStatus(status, old.get(key(status)))) tell(status);
    old.delete(key(status));
  }
  for (const gone of old.values()) tell({ name: gone.name, version: gone.version, state: "unloading" });
}
