// A kind of backend that opens nothing, for tests of the config alone.

import { z } from "zod";
import type { Kinds } from "../../../config/config.ts";
import { loadConfig } from "../../../config/load.ts";
import { formatMistake } from "../../../config/mistakes.ts";
import type { BackendKind } from "../../../core/backend.ts";
import { policyKinds } from "../../../policies/registry.ts";

/** A kind `onnx` with a required text, a union and a map of its own. */
export const stub: BackendKind = {
  kind: "onnx",
  options: z.strictObject({
    repository: z.string().describe("The folder."),
    workers: z.union([z.literal("auto"), z.int().min(1)]).default("auto"),
    nested: z.strictObject({ depth: z.number() }).optional(),
  }),
  open: () => Promise.reject(new Error("opened in a test of the config")),
};

export const kinds: Kinds = {
  backends: [stub],
  policies: policyKinds,
};

/** A backend that is right, to stand before the words under test. */
export const BACKEND = "backends: {local: {kind: onnx, repository: m}}\n";

export function load(text: string, env: Readonly<Record<string, string | undefined>> = {}) {
  return loadConfig({ text, file: "f.yaml", env }, kinds);
}

/** The mistakes in a text as they are printed; none for a config that is right. */
export function mistakesIn(text: string, env: Readonly<Record<string, string | undefined>> = {}): readonly string[] {
  const loaded = load(text, env);
  return loaded.ok ? [] : loaded.mistakes.map((mistake) => formatMistake(mistake, "f.yaml"));
}

/** The config of a text that is right. */
export function configOf(text: string, env: Readonly<Record<string, string | undefined>> = {}) {
  const loaded = load(text, env);
  if (!loaded.ok) throw new Error(loaded.mistakes.map((mistake) => formatMistake(mistake, "f.yaml")).join("\n"));
  return loaded.config;
}
