// The word of the config that says how much memory the kept answers of all models take.

import { z } from "zod";
import { bytes } from "../core/words.ts";

/** The memory of all caches together. */
export const cacheWord = z
  .strictObject({
    maxBytes: bytes()
      .prefault("256MiB")
      .describe("The most memory that the kept answers of all models take together; the fullest model gives way."),
  })
  .prefault({})
  .describe("What the caches of all models share; a model has one where it says cache.");
