// The one judge of what an attempt says about a backend's health.

import { asInferError } from "./error.ts";

/** `ignored` counts neither for nor against: the caller left, or the gateway itself refused. */
export type Outcome = "success" | "failure" | "ignored";

/**
 * What a settled attempt says about the backend: breaker, balancer, canary and metrics all ask here. A client's own
 * fault is a success of the backend that found it; a cancelled call is ignored; a deadline that ran out while the
 * backend had the request is a failure, one that ran out before it was sent is not; the gateway's own refusals never
 * reached it.
 *
 * @param error what the attempt threw, or undefined when it answered
 */
export function outcomeOf(error: unknown): Outcome {
  if (error === undefined) return "success";
  const fault = asInferError(error);
  if (fault.code === "cancelled") return "ignored";
  if (fault.origin === "client") return "success";
  if (fault.origin === "backend") return "failure";
  return fault.code === "deadline-exceeded" && !fault.unsent ? "failure" : "ignored";
}
