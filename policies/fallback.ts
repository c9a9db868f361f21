// fallback: the next branch when the one before has a fault that may be cured elsewhere.

import { z } from "zod";
import { abortReason } from "../core/call.ts";
import { asInferError, type InferError } from "../core/error.ts";
import type { RouteKind } from "../core/policy.ts";
import { type Branch, branchName } from "../core/route.ts";
import { begun } from "./begun.ts";

export interface FallbackOptions {
  readonly branches: readonly Branch[];
}

const MAX_BRANCHES = 16;

export const fallback: RouteKind<FallbackOptions> = {
  place: "route",
  word: "fallback",
  options: (branch) =>
    z
      .array(branch)
      .min(2)
      .max(MAX_BRANCHES)
      .transform((branches) => ({ branches }))
      .describe(
        "The first branch answers; the next one where its fault may be cured elsewhere. The last may be an answer.",
      ),
  branches: ({ branches }) => branches.map((it, i) => ({ path: [i], it })),
  build({ branches }, context) {
    const opened = branches.map((branch) => ({ name: branchName(branch), service: context.open(branch) }));
    const order = opened.map(({ name }) => name).join(", then ");
    return async (request, call) => {
      call.trace.decide("fallback", order);
      let fault: InferError | undefined;
      for (const [i, { name, service }] of opened.entries()) {
        try {
          const reply = await begun(await service(request, call));
          if (i > 0 && call.trace.facts.fallback === undefined) call.trace.learn({ fallback: name });
          return reply;
        } catch (error) {
          fault = asInferError(error);
          if (call.signal.aborted) throw abortReason(call.signal);
          if (!curable(fault) || i === opened.length - 1) throw error;
          call.trace.decide("fallback", `${name} failed (${fault.code}), on to ${opened[i + 1]?.name}`);
        }
      }
      throw fault;
    };
  },
};

/** Neither the client's own fault nor one that every branch would have. */
function curable({ origin, retryable }: InferError): boolean {
  return origin !== "client" && retryable !== "no";
}
