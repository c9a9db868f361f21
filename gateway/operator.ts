// What clients of Triton's extensions may see of this gateway, and change where the config lets them.

import type { Config } from "../config/config.ts";
import type { Env } from "../core/env.ts";
import { InferError } from "../core/error.ts";
import type { OperatorPlane, Regions, TraceSettings, VersionStatistics } from "../core/operator.ts";
import { openLogSettings } from "./log-settings.ts";
import type { Plane } from "./plane.ts";
import type { Statistics } from "./statistics.ts";

export interface OperatorParts {
  readonly plane: Plane;
  readonly config: Config;
  readonly env: Env;
  readonly statistics: Statistics;
  readonly settings: TraceSettings;
  /** Absent where the config does not allow shared memory. */
  readonly regions: Regions | undefined;
}

export function openOperator({ plane, config, env, statistics, settings, regions }: OperatorParts): OperatorPlane {
  return {
    mayChange: config.triton.control,
    contents: config.triton.contents,
    statistics: (model, version) => statisticsOf({ plane, statistics }, model, version),
    log: openLogSettings(env.log),
    trace: settings,
    ...(regions === undefined ? {} : { regions }),
  };
}

/** Of the versions that are ready, and of no other. */
function statisticsOf(
  { plane, statistics }: Pick<OperatorParts, "plane" | "statistics">,
  model: string | undefined,
  version: string | undefined,
): readonly VersionStatistics[] {
  const names = model === undefined ? plane.models() : [model];
  return names.flatMap((name) => {
    const found = plane.find(name);
    if (found === undefined) throw new InferError("not-found", `requested model '${name}' is not available`);
    const ready = found.versions.ready() ?? [];
    if (version !== undefined && !ready.includes(version)) {
      throw new InferError("not-found", `requested model version is not available for model '${name}'`);
    }
    const wanted = version === undefined ? ready : [version];
    return wanted.map((each) => statistics.read({ name, version: each }));
  });
}
