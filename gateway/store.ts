// The store that replicas share, opened: answers that are kept, and counts.

import type { StoreConfig } from "../config/config.ts";
import type { Env } from "../core/env.ts";
import type { SharedStore } from "../core/store.ts";
import type { SecondLevel } from "../policies/cache/second-level.ts";
import type { Part } from "./parts.ts";
import { openCounts } from "./valkey/counts.ts";
import { openFrames } from "./valkey/frame.ts";
import { openSecondLevel } from "./valkey/second-level.ts";
import { openValkey } from "./valkey.ts";

/** What replicas have in common. */
export interface Store extends Part {
  readonly answers: SecondLevel;
  readonly counts: SharedStore;
}

/** Opens at once, whether the server is there or not; without it every ask is answered with nothing. */
export function openStore(config: StoreConfig, env: Env): Store {
  const { prefix, secret, maxValueBytes } = config;
  const valkey = openValkey(config, env);
  const answers = openSecondLevel({
    valkey,
    frames: openFrames({ secret, maxBytes: maxValueBytes }),
    env,
    prefix,
    secret,
    newGeneration: () => crypto.randomUUID(),
  });
  return {
    answers,
    counts: openCounts(valkey, prefix),
    async close() {
      answers.close();
      await valkey.close();
    },
  };
}
