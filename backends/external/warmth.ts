// What all endpoints of a backend share to be warmed up: the words, the file and what was recorded.

import type { BackendContext } from "../../core/backend.ts";
import { readWarmFile } from "./warm-file.ts";
import { openWarmGate, type WarmGate, type WarmGateOptions } from "./warm-gate.ts";
import { openWarmRecord, type WarmRecord } from "./warm-record.ts";
import type { WarmUpWords } from "./warm-words.ts";

export interface Warmth {
  /** The gate before one endpoint, and the record that its answers go to. */
  of(endpoint: Pick<WarmGateOptions, "endpoint" | "connection" | "signature">): {
    readonly gate: WarmGate;
    readonly record: WarmRecord;
  };
}

/**
 * Undefined where nothing is to be warmed up.
 *
 * @throws InferError invalid-argument for a file that cannot be read
 */
export async function openWarmth(words: WarmUpWords | undefined, context: BackendContext): Promise<Warmth | undefined> {
  if (words === undefined) return undefined;
  const { name: backend, env, baseDir, parseYaml } = context;
  const { file } = words;
  const given = file === undefined ? [] : await readWarmFile({ file, baseDir, parseYaml });
  const record = openWarmRecord(words.requests, env.clock);
  const recorded = (model: string) => [
    ...given.filter(({ request }) => request.model.name === model),
    ...record.of(model),
  ];
  return { of: (endpoint) => ({ gate: openWarmGate({ ...endpoint, backend, env, words, recorded }), record }) };
}
