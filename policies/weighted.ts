// weighted: branches take turns by weight, with no dice: at any prefix of n requests none is more than one from its share.

import { z } from "zod";
import type { RouteKind } from "../core/policy.ts";
import { type Branch, branchName } from "../core/route.ts";
import { openTurns } from "./route/steady.ts";

export interface WeightedOptions {
  readonly branches: readonly { readonly to: Branch; readonly weight: number }[];
}

/** The sum of the weights stays far below what a double counts exactly. */
const MAX_WEIGHT = 1_000_000;

export const weighted: RouteKind<WeightedOptions> = {
  place: "route",
  word: "weighted",
  options: (branch) =>
    z
      .array(
        z.strictObject({
          to: branch,
          weight: z.int().min(0).max(MAX_WEIGHT).describe("Its part of the sum of all weights; 0 gets nothing."),
        }),
      )
      .min(1)
      .refine((list) => list.some(({ weight }) => weight > 0), {
        error: "expected at least one weight above 0, got none",
      })
      .transform((branches) => ({ branches }))
      .describe("Branches take turns by weight: after any number of requests none is more than one from its share."),
  branches: ({ branches }) => branches.map(({ to }, i) => ({ path: [i, "to"], it: to })),
  build({ branches }, context) {
    const services = branches.map(({ to }) => context.open(to));
    const turns = openTurns(branches.map(({ weight }) => weight));
    const total = branches.reduce((sum, { weight }) => sum + weight, 0);
    const said = branches.map(({ to, weight }) => `${branchName(to)} ${weight} of ${total}`);
    return async (request, call) => {
      const i = call.purpose === "explain" ? turns.peek() : turns.take();
      call.trace.decide("weighted", said[i] ?? "");
      return (services[i] as (typeof services)[number])(request, call);
    };
  },
};
