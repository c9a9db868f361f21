// Triton's trace settings: kept as clients set them, for who reads them back. Nothing is traced by them.

import type { Log } from "../core/env.ts";
import { InferError, invalid } from "../core/error.ts";
import type { TraceSettings } from "../core/operator.ts";

/** Triton's own defaults. Source: Triton, extension_trace.md. */
const DEFAULTS: ReadonlyMap<string, readonly string[]> = new Map([
  ["trace_level", ["OFF"]],
  ["trace_rate", ["1000"]],
  ["trace_count", ["-1"]],
  ["log_frequency", ["0"]],
  ["trace_file", [""]],
  ["trace_mode", ["triton"]],
]);
/** Triton refuses to change these while it runs. */
const FIXED: ReadonlySet<string> = new Set(["trace_file", "trace_mode"]);
const LEVELS: ReadonlySet<string> = new Set(["OFF", "TIMESTAMPS", "TENSORS"]);
/** Models whose own settings are kept. */
const MAX_MODELS = 1000;

type Settings = Map<string, readonly string[]>;

export function openTraceSettings(log: Log): TraceSettings & { close(): Promise<void> } {
  const all: Settings = new Map(DEFAULTS);
  const ofModels = new Map<string, Settings>();
  return {
    get: (model) => new Map([...all, ...((model === undefined ? undefined : ofModels.get(model)) ?? [])]),
    change(changes, model) {
      for (const [word, values] of changes) check(word, values);
      const own = model === undefined ? all : (ofModels.get(model) ?? new Map());
      if (model !== undefined && !ofModels.has(model)) {
        if (ofModels.size >= MAX_MODELS)
          throw new InferError("overloaded", `trace settings are kept for ${MAX_MODELS} models`);
        ofModels.set(model, own);
      }
      for (const [word, values] of changes) {
        if (values !== undefined) own.set(word, values);
        else if (model === undefined) own.set(word, DEFAULTS.get(word) ?? []);
        else own.delete(word);
      }
      if (model !== undefined && own.size === 0) ofModels.delete(model);
      log.warn({ model }, "trace settings were changed: they are kept, but nothing is traced by them");
    },
    close: async () => {},
  };
}

function check(word: string, values: readonly string[] | undefined): void {
  if (!DEFAULTS.has(word)) throw invalid(`unknown trace setting ${JSON.stringify(word.slice(0, 40))}`);
  if (FIXED.has(word)) throw new InferError("unsupported", `trace setting "${word}" cannot be changed`);
  if (values === undefined) return;
  if (word === "trace_level") {
    const wrong = values.find((value) => !LEVELS.has(value));
    if (wrong === undefined && values.length > 0) return;
    throw invalid(
      `trace setting "trace_level": expected OFF, TIMESTAMPS or TENSORS, got ${JSON.stringify(wrong ?? "nothing")}`,
    );
  }
  const [value = "", ...more] = values;
  if (more.length === 0 && /^-?\d{1,15}$/.test(value)) return;
  throw invalid(
    `trace setting "${word}": expected one whole number as text, got ${JSON.stringify(values).slice(0, 40)}`,
  );
}
