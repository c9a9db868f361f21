// Models of servers that have no versions and cannot list what they have: those that somebody names are there.

import type { ModelStatus } from "../../core/model.ts";

/** What the config says of models, by their names there. */
export type ModelsWord<Words> = Readonly<Record<string, Words>>;

/** The one version of a model on a server without versions. */
export const ONLY_VERSION = "1";

/** Every model that the config or somebody else names, ready in its one version. */
export function readyModels(
  models: ModelsWord<unknown> | undefined,
  wanted: readonly string[],
): readonly ModelStatus[] {
  const names = new Set([...Object.keys(models ?? {}), ...wanted]);
  return [...names].map((name) => ({ name, version: ONLY_VERSION, state: "ready" }));
}
