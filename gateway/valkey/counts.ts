// Counts that replicas keep together in Valkey, for quotas.

import type { SharedStore } from "../../core/store.ts";
import type { Valkey } from "../valkey.ts";

/** @param prefix the first part of every key */
export function openCounts(valkey: Valkey, prefix: string): SharedStore {
  return {
    available: valkey.available,
    async add(key, by, lastsMs) {
      const name = `${prefix}:c:${key}`;
      const answers = await valkey.ask([
        ["MULTI"],
        ["SET", name, 0, "PX", Math.max(1, Math.ceil(lastsMs)), "NX"],
        ["INCRBY", name, by],
        ["PTTL", name],
        ["EXEC"],
      ]);
      const executed = answers?.at(-1);
      if (!Array.isArray(executed)) return undefined;
      const [, total, endsInMs] = executed as readonly unknown[];
      if (typeof total !== "number" || typeof endsInMs !== "number") return undefined;
      return { total, endsInMs: Math.max(0, endsInMs) };
    },
  };
}
