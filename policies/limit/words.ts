// The words of `limit`: how many requests a caller may send, and how many a model may have at once.

import { type ZodType, z } from "zod";
import { show, word } from "../../core/words.ts";

/** So many requests a period, and so many at once. */
export interface Rate {
  /** As it is written: `200/s`. */
  readonly text: string;
  readonly requests: number;
  readonly perMs: number;
  /** Requests that may come at once after a pause. */
  readonly burst: number;
  readonly by: By;
}

/** Whose requests are counted together. */
export type By = "model" | "tenant" | "peer" | { readonly header: string };

/** How many requests run at once, and how many wait. */
export interface Concurrency {
  readonly limit: number;
  readonly queue: number;
}

/** All of which hold. */
export interface LimitOptions {
  readonly rates: readonly Rate[];
  readonly concurrency: Concurrency | undefined;
}

const PERIODS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const RATE_EXPECTED = "requests and a period (s, m, h or d), such as 200/s or 1000000/d";
const BY_EXPECTED = "model, tenant, peer or {header: x-api-key}";

const rate = () =>
  word(RATE_EXPECTED, (text) => {
    const [, digits = "", unit = ""] = /^([1-9]\d{0,11})\s*\/\s*([smhd])$/.exec(text) ?? [];
    const perMs = PERIODS[unit];
    return perMs === undefined ? { expected: RATE_EXPECTED } : { value: { text, requests: Number(digits), perMs } };
  });

const by = z.union(
  [
    z.enum(["model", "tenant", "peer"]),
    z.strictObject({ header: z.string().min(1).toLowerCase().describe("The header that tells callers apart.") }),
  ],
  { error: ({ input }) => `expected ${BY_EXPECTED}, got ${show(input)}` },
);

/** Words that say more of another one. */
const BESIDE = [
  ["by", "rate"],
  ["burst", "rate"],
  ["queue", "concurrency"],
] as const;

const beside = {
  by: by
    .optional()
    .describe(
      "Whose requests are counted together: all (as is usual), those of a tenant, a peer (a client's address), a header.",
    ),
  burst: z
    .int()
    .min(1)
    .max(1e12)
    .optional()
    .describe("How many of them may come at once after a pause; those of one period where nothing is said."),
};

const RATE = "How many requests may come: 200/s, or a quota such as 1000000/d; others get 429.";

const one = z
  .strictObject({
    rate: rate().optional().describe(RATE),
    ...beside,
    concurrency: z
      .int()
      .min(1)
      .max(65_536)
      .optional()
      .describe("How many requests of the model may be under way at once, over all of its versions; others get 503."),
    queue: z.int().min(0).max(10_000).optional().describe("How many may wait for that; 100 where nothing is said."),
  })
  .superRefine((words, context) => {
    const lone = BESIDE.find(([word, other]) => words[word] !== undefined && words[other] === undefined);
    if (lone !== undefined) {
      const [word, other] = lone;
      context.addIssue({ code: "custom", path: [word], message: `expected ${word} only beside ${other}` });
    } else if (words.rate === undefined && words.concurrency === undefined) {
      context.addIssue({ code: "custom", message: "expected rate or concurrency, got neither" });
    }
  });

type Words = Partial<z.output<typeof one>>;

/** Requests that wait for a model's turn where nothing is said. */
const QUEUE = 100;

/** One limit, or a list of those that all hold. */
export const limitWords: ZodType<LimitOptions, unknown> = z
  .union([one, z.array(one).min(1, "expected at least one limit, got an empty list")], { error: unionMistake })
  .transform((written) => (Array.isArray(written) ? written : [written]))
  .superRefine((limits, context) => {
    const second = limits.findIndex(
      ({ concurrency }, i) =>
        concurrency !== undefined && limits.findIndex((each) => each.concurrency !== undefined) < i,
    );
    if (second < 0) return;
    context.addIssue({
      code: "custom",
      path: [second, "concurrency"],
      message: "expected concurrency once, got it twice",
    });
  })
  .transform(optionsOf)
  .describe("How many requests callers may send, and how many the model may have at once; a list where several hold.");

const rateOnly = z.strictObject({ rate: rate().describe(RATE), ...beside });

/** One rate, or a list of those that all hold, over all models. */
export const rateWords: ZodType<readonly Rate[], unknown> = z
  .union([rateOnly, z.array(rateOnly).min(1, "expected at least one limit, got an empty list")], {
    error: unionMistake,
  })
  .transform((written) => optionsOf(Array.isArray(written) ? written : [written]).rates)
  .describe("How many requests callers may send, whatever the model; a list where several hold.");

/** What is wrong with the form that was meant. */
function unionMistake(issue: z.core.$ZodRawIssue): string {
  const { input } = issue;
  const [first] = (issue.code === "invalid_union" && issue.errors[Array.isArray(input) ? 1 : 0]) || [];
  if (first === undefined || typeof input !== "object" || input === null) {
    return `expected a map such as {rate: 200/s, by: tenant}, or a list of such, got ${show(input)}`;
  }
  const at = first.path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
  return at === "" ? first.message : `${first.message} at ${at.replace(/^\./, "")}`;
}

function optionsOf(limits: readonly Words[]): LimitOptions {
  const rates = limits.flatMap(({ rate, by = "model", burst }): readonly Rate[] =>
    rate === undefined ? [] : [{ ...rate, burst: burst ?? rate.requests, by }],
  );
  const [concurrency] = limits.flatMap(({ concurrency, queue = QUEUE }): readonly Concurrency[] =>
    concurrency === undefined ? [] : [{ limit: concurrency, queue }],
  );
  return { rates, concurrency };
}
