// The policies at the top of the config: one layer each for all requests, which goes on when the config changes elsewhere.

import type { Config } from "../config/config.ts";
import type { PolicyContext } from "../core/policy.ts";
import type { Layer } from "../core/service.ts";
import { policyKinds } from "../policies/registry.ts";
import { canonical, type Part, type Parts } from "./parts.ts";

interface TopLayer extends Part {
  readonly layer: Layer;
}

/** The layers by their words; what they have counted lives on for as long as their words and the store stay the same. */
export async function useTopLayers(
  parts: Parts,
  config: Config,
  context: Omit<PolicyContext, "model">,
): Promise<ReadonlyMap<string, Layer>> {
  const layers = new Map<string, Layer>();
  for (const kind of policyKinds) {
    if (kind.place !== "layer" || kind.atTop === undefined || !config.policies.has(kind.word)) continue;
    const { word, atTop } = kind;
    const value = config.policies.get(word);
    const key = canonical(["top", word, value, config.store]);
    const open = async (): Promise<TopLayer> => ({ layer: atTop.build(value, context), close: async () => {} });
    layers.set(word, (await parts.use(key, open)).layer);
  }
  return layers;
}
