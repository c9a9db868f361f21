// Which of Triton's extensions hold here: what a server's metadata says, and what clients such as perf_analyzer go by.

import type { Planes } from "../../../core/protocol.ts";

/**
 * Triton's words, those only that are true. `trace` is not among them: its settings are kept, and nothing is traced by
 * them. `cuda_shared_memory` and `schedule_policy` are not there at all.
 */
export function extensionsOf({ operator }: Pick<Planes, "operator">): readonly string[] {
  return [
    "classification",
    "sequence",
    "model_repository",
    "model_configuration",
    ...(operator.regions === undefined ? [] : ["system_shared_memory"]),
    "binary_tensor_data",
    "parameters",
    "statistics",
    "logging",
  ];
}
