// The small words that policies of several places share: a share, and a policy that is on, off or told more of.

import { type ZodType, z } from "zod";
import { type Read, word } from "../core/words.ts";

/** A share such as `10%`, as a fraction. */
export function share(what: string): ZodType<number, string> {
  return word<number>("a share such as 10%", (text): Read<number> => {
    const digits = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
    if (digits === undefined) return { expected: "a share such as 10%" };
    return Number(digits) <= 100 ? { value: Number(digits) / 100 } : { expected: "a share of at most 100%" };
  }).describe(what);
}

/**
 * The words of a policy that both a backend and a model of it may have: the words themselves, `true` for all that holds where
 * nothing is said, or `false` for none of it, also where the backend has it.
 */
export function onOff<Words extends ZodType>(words: Words) {
  return z.union([z.literal(false), z.literal(true).transform(() => words.parse({})), words]);
}
