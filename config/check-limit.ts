// What must be said beside a limit for it to hold: where tenants come from, and that a server may have so many calls.

import { isMap } from "./map.ts";
import type { Fault } from "./mistakes.ts";
import type { Document } from "./schema.ts";

/** The words of a model's `limit:` that are looked at here; the policy itself has read them. */
interface LimitWords {
  readonly rates: readonly { readonly by: unknown }[];
}

/**
 * What is wrong with the limits of a config.
 *
 * @param config the same as YAML gives it, in which a backend has the words that its kind reads
 */
export function checkLimitWords(document: Document, config: unknown): readonly Fault[] {
  const backends = isMap(config) && isMap(config.backends) ? config.backends : {};
  return [...checkTenants(document), ...Object.entries(backends).flatMap(checkCalls)];
}

function checkTenants(document: Document): readonly Fault[] {
  if (document.tenant !== undefined) return [];
  const { limit: top } = document as { readonly limit?: LimitWords["rates"] };
  const models = Object.entries(document.models ?? {}).map(
    ([name, model]) => [["models", name], (model as { readonly limit?: LimitWords }).limit?.rates] as const,
  );
  const message =
    "expected the config to say where the tenant comes from (tenant: {header: ..., trusted: true}), as the limit is by tenant";
  return [[[], top] as const, ...models].flatMap(([at, rates = []]): readonly Fault[] =>
    rates.some(({ by }) => by === "tenant") ? [{ path: [...at, "limit"], message }] : [],
  );
}

/** What holds where `limits.inFlight` is not said. Source: backends/external/words.ts. */
const IN_FLIGHT = 256;

function checkCalls([name, words]: readonly [string, unknown]): readonly Fault[] {
  if (!isMap(words) || !isMap(words.limit)) return [];
  const { concurrency } = words.limit;
  const inFlight = isMap(words.limits) ? (words.limits.inFlight ?? IN_FLIGHT) : IN_FLIGHT;
  if (typeof concurrency !== "number" || typeof inFlight !== "number" || concurrency <= inFlight) return [];
  const message = `expected at most limits.inFlight (${inFlight}), which no endpoint has more calls than, got ${concurrency}`;
  return [{ path: ["backends", name, "limit", "concurrency"], message }];
}
