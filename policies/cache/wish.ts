// What a caller wants of the cache for its own request.

import type { CacheWish, Call } from "../../core/call.ts";

/**
 * What the request's parameter `sluice_cache` says, else its header or metadata `cache-control`. Source: RFC 9111, 5.2.1;
 * `max-age=0` and `pragma: no-cache` mean no-cache, other directives nothing.
 */
export function wishOf({ cache, headers }: Pick<Call, "cache" | "headers">): CacheWish | undefined {
  if (cache !== undefined) return cache;
  const said = headers.get("cache-control") ?? headers.get("pragma");
  if (said === undefined) return undefined;
  const words = said.split(",").map((word) => word.trim().toLowerCase());
  const wish = WISHES.find((one) => words.includes(one));
  return wish ?? (words.includes("max-age=0") ? "no-cache" : undefined);
}

/** The strictest first. */
const WISHES = ["no-store", "only-if-cached", "no-cache"] as const;
