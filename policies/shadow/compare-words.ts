// The word `compare` of a shadow: by which rule each output of two answers is compared.

import { z } from "zod";
import { share } from "../words.ts";

/** How two tensors of one output are compared. Thresholds are what still counts as the same. */
export type Rule =
  | { readonly by: "tolerance"; readonly rtol: number; readonly atol: number; readonly nan: NanPolicy }
  /** The share of rows whose largest element stands at the same place. */
  | { readonly by: "argmax"; readonly agree: number; readonly nan: NanPolicy }
  /** The share of the k largest elements that both have, averaged over the rows. */
  | { readonly by: "topK"; readonly k: number; readonly agree: number; readonly nan: NanPolicy }
  | { readonly by: "cosine"; readonly least: number; readonly nan: NanPolicy }
  | { readonly by: "exact" };

/** Whether two NaN at the same place are the same. */
export type NanPolicy = "same" | "different";

export interface CompareOptions {
  /** For outputs that have no rule of their own. */
  readonly every: Rule;
  readonly outputs: ReadonlyMap<string, Rule>;
}

const KINDS = ["argmax", "topK", "cosine", "exact"] as const;

const ruleWords = {
  rtol: z
    .number()
    .min(0)
    .optional()
    .describe("How far apart two numbers may be for their size; 1e-3 where nothing is said."),
  atol: z
    .number()
    .min(0)
    .optional()
    .describe("How far apart they may be whatever their size; 1e-5 where nothing is said."),
  argmax: z.literal(true).optional().describe("The largest element of each row stands at the same place."),
  topK: z.int().min(1).max(1000).optional().describe("The rows have the same k largest elements, in any order."),
  agree: share("For argmax and topK: the share that must agree; 100% where nothing is said.").optional(),
  cosine: z.number().min(-1).max(1).optional().describe("The least cosine of the angle between the two outputs."),
  exact: z.literal(true).optional().describe("Equal bytes."),
  nan: z
    .enum(["same", "different"])
    .optional()
    .describe("Whether two NaN at one place are the same; same where nothing is said."),
};

const ruleShape = z.strictObject(ruleWords);
type RuleWords = z.output<typeof ruleShape>;

function kindsIn(words: RuleWords): readonly string[] {
  const others = KINDS.filter((kind) => words[kind] !== undefined);
  return words.rtol === undefined && words.atol === undefined ? others : ["rtol and atol", ...others];
}

const oneKind = (words: RuleWords, context: z.core.$RefinementCtx<RuleWords>) => {
  const kinds = kindsIn(words);
  if (kinds.length < 2) return;
  context.addIssue({
    code: "custom",
    message: `expected one way to compare, got ${kinds.join(" and ")}`,
    input: words,
  });
};

function ruleOf({ rtol = 1e-3, atol = 1e-5, agree = 1, nan = "same", topK, cosine, ...words }: RuleWords): Rule {
  if (words.exact === true) return { by: "exact" };
  if (words.argmax === true) return { by: "argmax", agree, nan };
  if (topK !== undefined) return { by: "topK", k: topK, agree, nan };
  if (cosine !== undefined) return { by: "cosine", least: cosine, nan };
  return { by: "tolerance", rtol, atol, nan };
}

const oneRule = ruleShape.superRefine(oneKind).transform(ruleOf);

/** The word. */
export const compareWord = z
  .strictObject({ ...ruleWords, outputs: z.record(z.string().min(1), oneRule).optional().describe("Rules by output.") })
  .superRefine(({ outputs: _, ...words }, context) => oneKind(words, context as never))
  .transform(
    ({ outputs, ...words }): CompareOptions => ({
      every: ruleOf(words),
      outputs: new Map(Object.entries(outputs ?? {})),
    }),
  )
  .describe("How the two answers are compared: by rtol and atol, argmax, topK, cosine or exact.");
