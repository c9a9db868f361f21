// The words after `cache:` of a model.

import { z } from "zod";
import { bytes, duration } from "../../core/words.ts";

export interface CacheOptions {
  /** How long an answer is given as it is, in milliseconds; undefined for as long as the model stays what it is. */
  readonly ttlMs: number | undefined;
  /** The most bytes of this model's answers in memory. */
  readonly maxBytes: number;
  /** How long after its ttl an answer is still given while a new one is made, in milliseconds. */
  readonly staleWhileRevalidateMs: number;
  /** How long after its ttl an answer is still given when no new one can be made, in milliseconds. */
  readonly staleIfErrorMs: number;
  /** `tenant`: each tenant has answers of its own, and requests without one are not cached. */
  readonly by: "all" | "tenant";
  /** Whether the rows of a request are looked up one by one. */
  readonly rows: boolean;
  /** Headers, in lower case, that the answer depends on. */
  readonly headers: readonly string[];
}

const words = z
  .strictObject({
    ttl: duration()
      .optional()
      .describe("How long an answer is given; needed where a server does not tell what its models are made of."),
    maxBytes: bytes().prefault("64MiB").describe("The most memory that this model's answers take."),
    staleWhileRevalidate: duration({ zero: true })
      .prefault("0ms")
      .describe("How long after its ttl an answer is still given while a new one is fetched."),
    staleIfError: duration({ zero: true })
      .prefault("0ms")
      .describe("How long after its ttl an answer is still given when no new one can be had."),
    by: z
      .enum(["all", "tenant"])
      .default("all")
      .describe("tenant: each tenant has answers of its own; the config must say where the tenant comes from."),
    rows: z
      .boolean()
      .default(false)
      .describe("Look up each row of a request by itself, and ask the model only for those that are not kept."),
    headers: z
      .array(z.string().min(1).toLowerCase())
      .default([])
      .describe("Headers that the answer depends on, such as those that a backend passes on to its servers."),
  })
  .describe("Keeps answers; see docs/cache.md.");

/** The words, or `true` for all that holds where nothing is said. */
export const cacheWords = z
  .union([z.literal(true).transform(() => words.parse({})), words])
  .transform(
    ({ ttl, staleWhileRevalidate, staleIfError, ...rest }): CacheOptions => ({
      ...rest,
      ttlMs: ttl,
      staleWhileRevalidateMs: staleWhileRevalidate,
      staleIfErrorMs: staleIfError,
    }),
  )
  .describe("Keeps answers and gives them to equal questions, over whichever protocol.");
