// The word of the config that declares a model's signature.

import { z } from "zod";
import type { Signature, TensorSpec } from "./model.ts";
import { DATATYPES, type Datatype } from "./tensor.ts";

/** The word for a datatype. */
export const datatypeWord = () =>
  z.enum(DATATYPES as readonly [Datatype, ...Datatype[]]).describe("A datatype of the Open Inference Protocol.");

const spec = z.strictObject({
  name: z.string().min(1).describe("The tensor's name."),
  datatype: datatypeWord(),
  shape: z.array(z.int().min(-1)).describe("Sizes of the dimensions; -1 where any size is taken."),
  optional: z.boolean().optional().describe("The input may be left out."),
});

/** The word `signature`: what a model takes and gives, where no server can tell it. */
export const signatureWord = z
  .strictObject({
    inputs: z.array(spec).describe("What the model takes."),
    outputs: z.array(spec).describe("What it gives."),
    batchDim: z.literal(0).optional().describe("The dimension along which rows may be joined."),
  })
  .describe("The model's signature; needed only where no server can tell it.");

/** The signature that the word declares. */
export function completeSignature(words: z.output<typeof signatureWord>): Signature {
  const specs = (list: typeof words.inputs): readonly TensorSpec[] =>
    list.map(({ optional, ...rest }) => (optional === undefined ? rest : { ...rest, optional }));
  return {
    inputs: specs(words.inputs),
    outputs: specs(words.outputs),
    ...(words.batchDim === undefined ? {} : { batchDim: words.batchDim }),
  };
}
