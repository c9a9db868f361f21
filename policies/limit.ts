// limit: how many requests callers may send, and how many of a model's may be under way at once.

import type { LayerKind, SharedLeafKind } from "../core/policy.ts";
import { bulkheadLayer } from "./limit/bulkhead.ts";
import { rateLayer } from "./limit/rate.ts";
import { type LimitOptions, limitWords, type Rate, rateWords } from "./limit/words.ts";

/** The word's rates: above the route, so that cached answers count too. At the top of the config they hold over all models. */
export const rate: LayerKind<LimitOptions> = {
  place: "layer",
  word: "limit",
  options: limitWords,
  build: ({ rates }, context) => (rates.length === 0 ? (next) => next : rateLayer(rates, context)),
  atTop: { options: rateWords, build: (rates, context) => rateLayer(rates as readonly Rate[], context) },
};

/** The word's concurrency: at the leaves, below the cache, so that cached answers take no place. */
export const concurrency: SharedLeafKind<LimitOptions> = {
  place: "shared-leaf",
  word: "limit",
  options: limitWords,
  build: ({ concurrency: limit }, context) => (limit === undefined ? (next) => next : bulkheadLayer(limit, context)),
};
