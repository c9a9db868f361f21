// The words after `batch:`.

import { z } from "zod";
import { bytes, duration } from "../../core/words.ts";

export interface BatchOptions {
  /** The most rows of a batch; a request with more is split. */
  readonly maxRows: number;
  /** The most bytes of inputs in a batch, unless one request alone has more. */
  readonly maxBytes: number;
  /** How long a batch may wait for more rows while several slots are idle, in milliseconds. */
  readonly maxDelayMs: number;
  /** Requests that may wait; beyond it they are refused. */
  readonly maxQueue: number;
  /** Sizes that batches are let go at once they are reached, from small to large. */
  readonly preferred: readonly number[];
  /** The only sizes that the model takes, from small to large; batches are padded. */
  readonly sizes: readonly number[];
  /** The most batches at once at one server. */
  readonly inFlight: number;
  /** Whether it is safe to run a request again; learned from the signature where nothing is said. */
  readonly repeatable?: boolean;
  /** Headers, in lower case, that the answer depends on: only requests that agree in them are joined. */
  readonly headers: readonly string[];
  /** Whether live rows are tried alone and together before any are joined. */
  readonly probe: boolean;
}

/** Rule 3 of the shared algorithm: waiting is never longer than this. */
const LONGEST_DELAY_MS = 5;

const rows = () => z.int().min(1);
const sizes = (what: string) =>
  z
    .array(rows())
    .default([])
    .transform((list) => [...new Set(list)].sort((a, b) => a - b))
    .describe(what);

const words = z
  .strictObject({
    maxRows: rows().default(64).describe("The most rows of a batch; a request with more is split and joined again."),
    maxBytes: bytes()
      .prefault("64MiB")
      .describe("The most bytes of inputs in a batch; one request alone may have more."),
    maxDelay: duration({ zero: true })
      .prefault("0ms")
      .refine((ms) => ms <= LONGEST_DELAY_MS, { error: `expected a duration of at most ${LONGEST_DELAY_MS}ms` })
      .describe("How long rows may wait for others while several slots are idle, where that pays; at most 5ms."),
    maxQueue: rows().default(1024).describe("Requests that may wait; beyond it they are refused as overloaded."),
    preferred: sizes("Sizes that the model likes best: the largest one that is reached is sent."),
    sizes: sizes("The only sizes that the model takes: batches are padded to the next one, and the padding cut off."),
    inFlight: rows()
      .default(4)
      .describe("Batches at once at one server; workers of this machine know their number themselves."),
    repeatable: z
      .boolean()
      .optional()
      .describe("Whether requests may be run again to find the one that fails its batch; learned where not said."),
    headers: z
      .array(z.string().min(1).toLowerCase())
      .default([])
      .describe("Headers that the answer depends on: only requests that agree in them are joined."),
    probe: z
      .boolean()
      .default(false)
      .describe("Join rows only once some have been run alone and together with equal answers."),
  })
  .describe("Joins small requests into one; see docs/batching.md.");

/** `true` stands for all that holds where nothing is said. */
export const batchWords = z
  .union([z.literal(true).transform(() => words.parse({})), words])
  .transform(
    ({ maxDelay, repeatable, ...rest }): BatchOptions => ({
      ...rest,
      maxDelayMs: maxDelay,
      maxRows: Math.min(rest.maxRows, rest.sizes.at(-1) ?? rest.maxRows),
      ...(repeatable === undefined ? {} : { repeatable }),
    }),
  )
  .describe("Joins small requests into one for the backend, and takes the answer apart again.");
