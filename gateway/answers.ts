// The room that the caches of all models share, opened as a part of the tree.

import { randomBytes } from "node:crypto";
import type { Config } from "../config/config.ts";
import type { Env } from "../core/env.ts";
import type { PolicyKind } from "../core/policy.ts";
import { openRoom, type Room } from "../policies/cache/room.ts";
import { cache, cacheIn, SECRET_BYTES } from "../policies/cache.ts";
import { canonical, type Parts } from "./parts.ts";
import type { Store } from "./store.ts";

/** What an answer's digests depend on: they are keyed with the replicas' secret where there is one, else with one of our own. */
export function useAnswers(
  parts: Parts,
  { config, env }: { readonly config: Config; readonly env: Env },
  store: Store | undefined,
): Promise<Room> {
  const secret = config.store === undefined ? randomBytes(SECRET_BYTES) : Buffer.from(config.store.secret);
  return parts.use(canonical(["answers", config.cache, config.store]), async () =>
    openRoom({
      maxBytes: config.cache.maxBytes,
      secret,
      clock: env.clock,
      emit: env.emit,
      ...(store === undefined ? {} : { second: store.answers }),
    }),
  );
}

/** The kinds with the cache in this room. */
export function withRoom(kinds: readonly PolicyKind[], room: Room): readonly PolicyKind[] {
  return kinds.map((kind) =>
    kind.word === cache.word && kind.place === "leaf" ? (cacheIn(room) as PolicyKind) : kind,
  );
}

/** The models that have a cache. */
export function cachedModels({ models }: Pick<Config, "models">): ReadonlySet<string> {
  return new Set((models ?? []).flatMap(({ name, policies }) => (policies.has(cache.word) ? [name] : [])));
}
