// deadline: refuses at once a request whose deadline is nearer than any answer of late has come.

import { z } from "zod";
import { InferError } from "../core/error.ts";
import type { LeafContext, LeafKind } from "../core/policy.ts";
import type { InferRequest } from "../core/request.ts";
import type { Layer, Service } from "../core/service.ts";
import { openFastest } from "./deadline/fastest.ts";
import { tryOut } from "./deadline/trial.ts";

export const deadline: LeafKind<boolean> = {
  place: "leaf",
  word: "deadline",
  options: z
    .boolean()
    .describe("Refuse at once a request whose deadline is nearer than any answer of late has come; on by default."),
  fallback: true,
  build: (isOn, context) => (isOn ? deadlineLayer(context) : (next) => next),
};

/** One that would be refused by what is known goes on all the same after so long without, or what is known would never change. */
const TRIAL_MS = 1000;

/**
 * Measures how long answers take, waiting included, and refuses what would be late even beside the fastest answer of the
 * last ten seconds to a request of its size or smaller. Slow answers do not make it refuse: those may be slow by chance.
 */
export function deadlineLayer({ env, model, version }: LeafContext): Layer {
  const { clock } = env;
  const fastest = openFastest(clock);
  let triedAt = Number.NEGATIVE_INFINITY;
  return (next) => (request, call) => {
    const asks = call.purpose === "explain";
    if (call.purpose !== "user" && !asks) return next(request, call);
    const startedAt = clock.now();
    const elements = elementsOf(request);
    const leftMs = call.deadline - startedAt;
    const leastMs = fastest.msFor(elements);
    const isLate = leastMs !== undefined && leftMs < leastMs;
    const isRefused = isLate && startedAt - triedAt < TRIAL_MS;
    if (isRefused) {
      if (!asks) env.emit({ type: "deadline-refused", model, version });
      return Promise.reject(tooLate(leftMs, leastMs));
    }
    if (asks) {
      if (leastMs !== undefined) call.foretell?.("deadline", describe(leastMs, isLate));
      return next(request, call);
    }
    const timed: Service = (asked, under) => {
      const reply = next(asked, under);
      // beside the caller's own way: it waits for nothing here
      reply.then(
        () => fastest.answered(elements, clock.now() - startedAt),
        () => {},
      );
      return reply;
    };
    if (!isLate) return timed(request, call);
    triedAt = startedAt;
    return tryOut(timed, leastMs)(request, call);
  };
}

function describe(leastMs: number, isLate: boolean): string {
  const rule = `who has less than ${round(leastMs)} ms left is refused, the fastest answer of late`;
  return isLate ? `${rule}; this one is sent all the same, to see` : rule;
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function tooLate(leftMs: number, leastMs: number): InferError {
  const [left, least] = [Math.max(0, leftMs), leastMs].map(round);
  return new InferError(
    "deadline-exceeded",
    `${left} ms are left until the deadline, and the fastest answer of late took ${least} ms`,
    { retryable: "no", unsent: true },
  );
}

/** By the shapes alone: nothing of a tensor is read for it. */
function elementsOf({ inputs }: InferRequest): number {
  let all = 0;
  for (const { shape } of inputs) {
    let elements = 1;
    for (const size of shape) elements *= size;
    all += elements;
  }
  return all;
}
