// Puts the values that an operator has changed in place of the file's, unless the file has changed there since.

import type { Override } from "../core/change.ts";
import { isMap } from "./map.ts";
import { formatPath } from "./mistakes.ts";
import { sourceText } from "./source.ts";

/** A config with the overrides that hold, each with what the file has in its place. */
export interface Overridden {
  readonly config: unknown;
  readonly overrides: readonly Override[];
  /** What is to be said of those that hold no longer. */
  readonly warnings: readonly string[];
}

/** @param config as YAML gives it; it is not changed itself, as its parts may stand in several places of it */
export function applyOverrides(config: unknown, overrides: readonly Override[]): Overridden {
  let changed = config;
  const kept: Override[] = [];
  const warnings: string[] = [];
  for (const override of overrides) {
    const { path, value } = override;
    const there = textAt(config, path);
    if (override.was !== undefined && override.was !== there) {
      warnings.push(
        `${formatPath(path)}: the file has changed here, so the override ${JSON.stringify(value)} is dropped`,
      );
      continue;
    }
    if (there === sourceText(value)) continue;
    changed = withValue(changed, path, value);
    kept.push({ path, value, was: there });
  }
  return { config: changed, overrides: kept, warnings };
}

/** The value at a path as text; empty where there is none. */
function textAt(config: unknown, path: Override["path"]): string {
  let at = config;
  for (const step of path) {
    if (Array.isArray(at) && typeof step === "number") at = at[step];
    else if (isMap(at) && Object.hasOwn(at, step)) at = at[step];
    else return "";
  }
  return at === undefined ? "" : sourceText(at);
}

function withValue(config: unknown, path: Override["path"], value: unknown): unknown {
  const [step, ...deeper] = path;
  if (step === undefined) return value;
  if (Array.isArray(config)) return config.map((one, i) => (i === step ? withValue(one, deeper, value) : one));
  const map = isMap(config) ? config : {};
  return { ...map, [step]: withValue(map[step], deeper, value) };
}
