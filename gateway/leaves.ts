// The leaves of a logical model: one Service for each version, opened when first asked for, with the version's own policies.

import type { ModelMetadata } from "../core/model.ts";
import type { Candidates, LeafContext, LeafKind, PolicyContext, PolicyKind } from "../core/policy.ts";
import type { RunSliced } from "../core/run.ts";
import type { Layer, Service } from "../core/service.ts";
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
          besideLayers(candidates, (one) => counted.executions(one ?? balancer(candidates))),
          ...layersOf(options, ofLeaf(candidates)),
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

/** The version's own layers, in the order of `gateway/stack.ts`. */
function layersOf({ kinds, words, versions }: LeavesOptions, context: LeafContext): readonly Layer[] {
  return AT_LEAF.flatMap((word) => {
    const kind = kinds.find((one): one is LeafKind => one.place === "leaf" && one.word === word);
    const wish = words.has(word) ? undefined : wishOf(word, versions.targets(context.version));
    if (kind !== undefined && wish !== undefined) return [wishedLayer(kind, wish, context)];
    const value = words.get(word) ?? kind?.fallback;
    return kind === undefined || value === undefined ? [] : [kind.build(value, context)];
  });
}

/** One balancer for each version, since what it learns belongs to that version. */
function balanceOf({ kinds, words, context }: LeavesOptions): () => (from: Candidates) => Service {
  const kind = kinds.find((one) => one.place === "balance");
  if (kind?.place !== "balance") throw new Error("no policy is registered that balances");
  const value = words.get(kind.word) ?? kind.fallback;
  return () => kind.build(value, context);
}
