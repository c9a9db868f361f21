// The leaves of a logical model: one Service for each version, opened when first asked for, with the version's own policies.

import { wholeLayer } from "../core/deferred.ts";
import type { ModelMetadata } from "../core/model.ts";
import type { Candidates, LeafContext, PolicyContext, PolicyKind } from "../core/policy.ts";
import type { RunSliced } from "../core/run.ts";
import { type Layer, type Service, stack } from "../core/service.ts";
import { type GuardsOf, openLeaf } from "./leaf.ts";
import { openIdentity } from "./made-of.ts";
import { besideLayers } from "./sequences.ts";
import { AT_LEAF } from "./stack.ts";
import type { Statistics } from "./statistics.ts";
import type { Versions } from "./versions.ts";
import { wishedLayer, wishOf } from "./wished.ts";

export interface Leaves {
  /** @param version one that the model has */
  of(version: string): Service;
}

export interface LeavesOptions {
  readonly context: PolicyContext;
  readonly kinds: readonly PolicyKind[];
  /** What follows each policy's word. */
  readonly words: ReadonlyMap<string, unknown>;
  readonly versions: Versions;
  readonly signature: (version: string, signal: AbortSignal) => Promise<ModelMetadata>;
  readonly run: RunSliced;
  readonly statistics: Statistics;
  readonly guards?: GuardsOf | undefined;
}

export function openLeaves(options: LeavesOptions): Leaves {
  const { context, versions, signature, run, statistics } = options;
  const leaves = new Map<string, Service>();
  const shared = sharedOf(options);
  const layers = layersOf(options, shared);
  // a sequence takes its places in the model too, and what asks an endpoint needs the bytes
  const ofSequences = [wholeLayer, ...shared.values()];
  const balance = balanceOf(options);
  return {
    of(version) {
      const known = leaves.get(version);
      if (known !== undefined) return known;
      // versions of a repository come and go: what is not there any longer is not kept
      for (const old of leaves.keys()) if (!versions.knows(old)) leaves.delete(old);
      const identity = openIdentity(versions.targets(version));
      const ofLeaf = (candidates: Candidates): LeafContext => ({
        ...context,
        version,
        candidates,
        signature: (signal) => signature(version, signal),
        identity,
        run,
      });
      const model = { name: context.model, version };
      const counted = statistics.of(model, (signal) => signature(version, signal));
      const choose = balance();
      let balanced: Service | undefined;
      const balancer = (from: Candidates): Service => {
        balanced ??= choose(from);
        return balanced;
      };
      const leaf = openLeaf({
        model,
        targets: versions.targets(version),
        layers: (candidates) => [
          counted.requests,
          besideLayers(candidates, (one) => stack(ofSequences, counted.executions(one ?? balancer(candidates)))),
          ...layers.map((build) => build(ofLeaf(candidates))),
        ],
        balance: (candidates) => counted.executions(balancer(candidates)),
        run,
        guards: options.guards,
      });
      leaves.set(version, leaf);
      return leaf;
    },
  };
}

/** The layers that all versions share, by their words. */
function sharedOf({ kinds, words, context }: LeavesOptions): ReadonlyMap<string, Layer> {
  const shared = new Map<string, Layer>();
  for (const kind of kinds) {
    if (kind.place !== "shared-leaf" || !words.has(kind.word)) continue;
    shared.set(kind.word, kind.build(words.get(kind.word), context));
  }
  return shared;
}

/** How each version gets its layers, in the order of `gateway/stack.ts`. */
function layersOf(
  { kinds, words, versions }: LeavesOptions,
  shared: ReadonlyMap<string, Layer>,
): readonly ((leaf: LeafContext) => Layer)[] {
  return AT_LEAF.flatMap((word) => {
    const layer = shared.get(word);
    if (layer !== undefined) return [() => layer];
    const kind = kinds.find((one) => one.place === "leaf" && one.word === word);
    if (kind?.place !== "leaf") return [];
    const value = words.get(word) ?? kind.fallback;
    const build = (leaf: LeafContext): Layer => {
      const wish = words.has(word) ? undefined : wishOf(word, versions.targets(leaf.version));
      if (wish !== undefined) return wishedLayer(kind, wish, leaf);
      return value === undefined ? (next) => next : kind.build(value, leaf);
    };
    // a kept answer needs no bytes of the request, all that stands below the cache does
    return word === "cache" ? [build, () => wholeLayer] : [build];
  });
}

/** One balancer for each version, since what it learns belongs to that version. */
function balanceOf({ kinds, words, context }: LeavesOptions): () => (from: Candidates) => Service {
  const kind = kinds.find((one) => one.place === "balance");
  if (kind?.place !== "balance") throw new Error("no policy is registered that balances");
  const value = words.get(kind.word) ?? kind.fallback;
  return () => kind.build(value, context);
}
