// A batch that failed by what may be one member's data: halved until only the guilty one fails.

import { asInferError } from "../../core/error.ts";

export interface Bisect<T> {
  /** Runs these together and gives each its answer; throws when the whole fails. */
  run(members: readonly T[]): Promise<void>;
  /** Whether the fault may lie in the data of one of them, and running the others again is safe. */
  mayHalve(error: unknown): boolean;
  /** Those who still wait. */
  waiting(members: readonly T[]): readonly T[];
  /** The fault is these members'. */
  fail(members: readonly T[], error: unknown): void;
}

/**
 * Runs the members, and after a fault that may be one member's its halves, one after the other. A healthy member is run at
 * most ceil(log2(members)) + 1 times. Never throws.
 */
export async function runHalving<T>(members: readonly T[], bisect: Bisect<T>): Promise<void> {
  const here = bisect.waiting(members);
  if (here.length === 0) return;
  try {
    await bisect.run(here);
  } catch (error) {
    if (here.length === 1 || !bisect.mayHalve(error)) {
      bisect.fail(here, error);
      return;
    }
    const middle = Math.ceil(here.length / 2);
    await runHalving(here.slice(0, middle), bisect);
    await runHalving(here.slice(middle), bisect);
  }
}

/**
 * Whether a fault may lie in the data: the request was refused as it is, or the server says that the model itself failed on
 * it, which adapters mark by `retryable: no`.
 */
export function mayBeData(error: unknown): boolean {
  const { code, origin, retryable } = asInferError(error);
  switch (code) {
    case "invalid-argument":
    case "unsupported":
    case "too-large":
      return true;
    case "bad-backend":
      return origin === "backend" && retryable === "no";
    default:
      return false;
  }
}
