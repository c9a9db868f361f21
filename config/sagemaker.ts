// The words for clients of SageMaker: whose signatures count, which model /invocations means, what endpoints are called.

import { z } from "zod";
import { word } from "../core/words.ts";

const REGION_EXPECTED = "a region such as eu-central-1";
const ENDPOINT_EXPECTED = "letters, digits and hyphens, at most 63";

/** The top-level word. */
export const sagemakerWord = z
  .strictObject({
    keys: z
      .array(
        z.strictObject({
          accessKeyId: z
            .string()
            .regex(/^[\w+=,.@-]{1,128}$/, "expected an access key's id")
            .describe("The name of the key."),
          secretAccessKey: z.string().min(1).describe("Best a reference to the environment."),
          sessionToken: z
            .string()
            .min(1)
            .optional()
            .describe("The token that must come with it, where it is temporary."),
        }),
      )
      .default([])
      .describe("Whose signatures count at /endpoints (AWS Signature Version 4); without any, nobody has to sign."),
    region: word(REGION_EXPECTED, (text) =>
      /^[a-z]{2,}(-[a-z]+)+-\d+$/.test(text) ? { value: text } : { expected: REGION_EXPECTED },
    )
      .optional()
      .describe("The region that signatures are for; any where nothing is said."),
    invocations: z
      .string()
      .min(1)
      .optional()
      .describe("The model behind /invocations where a request names none; the only one where there is only one."),
  })
  .describe("What clients of SageMaker's runtime API and of its containers find.");

/** The word of a model. */
export const endpointWord = word(ENDPOINT_EXPECTED, (text) =>
  /^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/.test(text) ? { value: text } : { expected: ENDPOINT_EXPECTED },
).describe(
  "Its endpoint's name for clients of SageMaker; its own, with hyphens for other characters, where nothing is said.",
);
