// The word `warmUp`: what an endpoint that is new or has come back answers before it gets work.

import { z } from "zod";

/** The word of a backend; nothing is warmed up without it. */
export const warmUpWord = z
  .strictObject({
    requests: z.int().min(1).max(64).default(8).describe("How many recent requests of each model are asked again."),
    file: z
      .string()
      .min(1)
      .optional()
      .describe("A YAML list of requests, {model, inputs}, asked before those; from the config's folder."),
    rtol: z.number().min(0).default(1e-3).describe("How far a value may be from the recorded one, as its share."),
    atol: z.number().min(0).default(1e-5).describe("How far a value may be from the recorded one beside that."),
    slower: z
      .number()
      .min(1)
      .default(3)
      .describe("How many times as long as the recorded answer the answer may take in the end."),
  })
  .describe("What an endpoint that is new or has come back must answer before it gets work.");

export type WarmUpWords = z.output<typeof warmUpWord>;
