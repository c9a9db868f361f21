// The models of a backend that somebody wants: those of the config's models, and those that its own words name.

import type { FollowedModel } from "../../core/backend.ts";
import type { Signature } from "../../core/model.ts";

export interface Followed {
  /** Every name that is wanted, each once; the same list for as long as nothing changes. */
  names(): readonly string[];
  /** The signature that a follower declared. */
  declared(model: string): Signature | undefined;
  /** Counts a follower in; the answer counts it out, and twice is harmless. */
  add(model: FollowedModel): () => void;
}

/** @param always names that are wanted without followers */
export function openFollowed(always: readonly string[]): Followed {
  const followers = new Map<string, Set<FollowedModel>>();
  let names = [...new Set(always)];
  const changed = () => {
    names = [...new Set([...always, ...followers.keys()])];
  };
  return {
    names: () => names,
    declared(model) {
      for (const { declared } of followers.get(model) ?? []) if (declared !== undefined) return declared;
      return undefined;
    },
    add(model) {
      // one entry for each follower, also where two say the same
      const follower = { ...model };
      const all = followers.get(model.name) ?? new Set<FollowedModel>();
      followers.set(model.name, all.add(follower));
      changed();
      return () => {
        if (!all.delete(follower) || all.size > 0) return;
        followers.delete(model.name);
        changed();
      };
    },
  };
}
