// What the routes for operators share: answers in JSON, faults among them, and no changes by pages in a browser.

import { asInferError, type Code, InferError } from "../../core/error.ts";
import type { WireReply, WireRequest } from "../../core/protocol.ts";

/** The value as JSON on a line of its own. */
export function json(status: number, value: unknown): WireReply {
  return {
    status,
    headers: { "content-type": "application/json" },
    body: Buffer.from(`${JSON.stringify(value)}\n`),
  };
}

const STATUS: Partial<Record<Code, number>> = {
  "permission-denied": 403,
  "not-found": 404,
  "invalid-argument": 400,
  // another method than the path has
  unsupported: 405,
};

/** A change that could not be made. */
export function changeFailed(error: unknown): WireReply {
  const { code, message } = asInferError(error);
  return json(STATUS[code] ?? 500, { error: message });
}

/**
 * A page that somebody reads on this machine could else send a change to its loopback address.
 *
 * @param what is not taken from it, in the plural
 * @throws InferError permission-denied
 */
export function refuseBrowsers({ headers }: Pick<WireRequest, "headers">, what = "changes"): void {
  if (!headers.has("origin")) return;
  throw new InferError("permission-denied", `${what} are not taken from pages in a browser (header origin)`);
}
