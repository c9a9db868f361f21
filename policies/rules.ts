// rules: the first rule that a request fits says where it goes; the last one has no condition.

import { z } from "zod";
import type { RouteKind } from "../core/policy.ts";
import { type Branch, branchName } from "../core/route.ts";
import { describeWhen, openWhen, type When, whenWord } from "./rules/when.ts";

export interface RulesOptions {
  readonly rules: readonly { readonly when?: When | undefined; readonly to: Branch }[];
}

const LAST = "expected a last rule without when, for the requests that fit none";
const EARLY = "expected when in every rule but the last: nothing passes this one";

export const rules: RouteKind<RulesOptions> = {
  place: "route",
  word: "rules",
  options: (branch) =>
    z
      .array(z.strictObject({ when: whenWord.optional(), to: branch }))
      .min(1)
      .superRefine((list, context) => {
        for (const [i, { when }] of list.entries()) {
          const last = i === list.length - 1;
          if (last === (when === undefined)) continue;
          context.addIssue({ code: "custom", path: last ? [i, "when"] : [i], message: last ? LAST : EARLY });
        }
      })
      .transform((list) => ({ rules: list }))
      .describe("The first rule that a request fits says where it goes; the last one has no when."),
  branches: ({ rules: list }) => list.map(({ to }, i) => ({ path: [i, "to"], it: to })),
  build({ rules: list }, context) {
    const { env, tester } = context;
    const opened = list.map(({ when, to }, i) => ({
      fits: when === undefined ? () => true : openWhen(when, { clock: env.clock, tester }),
      service: context.open(to),
      said: `${i + 1} of ${list.length} (${when === undefined ? "otherwise" : describeWhen(when)}) to ${branchName(to)}`,
    }));
    const otherwise = opened.at(-1) as (typeof opened)[number];
    return async (request, call) => {
      const { said, service } = opened.find(({ fits }) => fits(request, call)) ?? otherwise;
      call.trace.decide("rules", said);
      return service(request, call);
    };
  },
};
