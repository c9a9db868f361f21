// What answers of KServe's V1 protocol have in common: statuses, errors, documents.

import { asInferError, type Code } from "../../../core/error.ts";
import type { Route, WireReply } from "../../../core/protocol.ts";
import { encodeError } from "../../../wire/kserve-v1-documents.ts";

/** The label in metrics, logs and traces. */
export const NAME = "kserve-v1";

/** Source: kserve/kserve, python/kserve/kserve/errors.py; protocols.md 5. */
const STATUS: Record<Code, number> = {
  "invalid-argument": 400,
  unauthenticated: 401,
  "permission-denied": 403,
  "not-found": 404,
  // not 501: what the caller asked for is the caller's to change
  unsupported: 400,
  "too-large": 413,
  "quota-exceeded": 429,
  overloaded: 503,
  unavailable: 503,
  "deadline-exceeded": 504,
  cancelled: 499,
  "bad-backend": 500,
  internal: 500,
};

/** An error in the protocol's shape; in KServe's words where the model that was asked is known. */
export function fail(error: unknown, model?: string): WireReply {
  const fault = asInferError(error);
  const isUnknown = fault.code === "not-found" && model !== undefined;
  const text = isUnknown ? `Model with name ${model} does not exist.` : fault.message;
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "sluice-error-origin": fault.origin,
  };
  if (fault.retryAfterMs !== undefined) headers["retry-after"] = String(Math.ceil(fault.retryAfterMs / 1000));
  return {
    status: STATUS[fault.code],
    headers,
    body: Buffer.from(JSON.stringify(encodeError(text))),
    about: { code: fault.code, origin: fault.origin, error: fault.message },
  };
}

/** The handler, its errors in the protocol's shape. */
export function guarded(handle: Route["handle"]): Route["handle"] {
  return async (wire, planes) => {
    try {
      return await handle(wire, planes);
    } catch (error) {
      return fail(error, wire.params.model);
    }
  };
}

/** An answer of JSON. */
export function json(status: number, value: unknown): WireReply {
  return { status, headers: { "content-type": "application/json" }, body: Buffer.from(JSON.stringify(value)) };
}
