// What requests and answers of TensorFlow Serving's REST protocol have in common: the model in the path, statuses, errors.

import { type Code, invalid } from "../../../core/error.ts";
import type { Planes, Route, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { ModelRef } from "../../../core/request.ts";
import { encodeError } from "../../../wire/tfs-json.ts";
import { inWords } from "../tfs/faults.ts";

/** The label in metrics, logs and traces. */
export const NAME = "tfs-rest";

/** Source: tensorflow_serving/util/net_http, http_server.cc; protocols.md 8.1. */
const STATUS: Record<Code, number> = {
  "invalid-argument": 400,
  unauthenticated: 401,
  "permission-denied": 403,
  "not-found": 404,
  // not 501, which TensorFlow Serving says of half floats: what the caller asked for is the caller's to change
  unsupported: 400,
  "too-large": 413,
  "quota-exceeded": 429,
  // what it says when the queue of its batches is full
  overloaded: 503,
  unavailable: 503,
  "deadline-exceeded": 504,
  cancelled: 499,
  "bad-backend": 500,
  internal: 500,
};

/** An error in the protocol's shape, in its own words where the model that was asked is known. */
export function fail(error: unknown, model?: ModelRef): WireReply {
  const fault = inWords(error, model);
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "sluice-error-origin": fault.origin,
  };
  if (fault.retryAfterMs !== undefined) headers["retry-after"] = String(Math.ceil(fault.retryAfterMs / 1000));
  return {
    status: STATUS[fault.code],
    headers,
    body: Buffer.from(JSON.stringify(encodeError(fault.message))),
    about: { code: fault.code, origin: fault.origin, error: fault.message },
  };
}

/** The handler, its errors in the protocol's shape. */
export function guarded(handle: Route["handle"]): Route["handle"] {
  return async (wire, planes) => {
    try {
      return await handle(wire, planes);
    } catch (error) {
      return fail(error);
    }
  };
}

/** An answer of JSON. */
export function json(status: number, value: unknown): WireReply {
  return jsonParts(status, [Buffer.from(JSON.stringify(value))]);
}

/** An answer of JSON that is written already. */
export function jsonParts(status: number, body: readonly Uint8Array[]): WireReply {
  return { status, headers: { "content-type": "application/json" }, body };
}

const MAX_INT64 = 2n ** 63n - 1n;

/**
 * The model that the path names. A version of 0 is the newest, as over gRPC: ovmsclient asks so; unless the model has a
 * version 0.
 *
 * @throws InferError invalid-argument for a version beyond 64 bits
 */
export function modelOf({ params }: WireRequest, planes: Planes): ModelRef {
  const { model: name = "", version, label } = params;
  if (label !== undefined) return { name, select: { by: "label", label } };
  if (version === undefined || (version === "0" && !hasZero(planes, name))) return { name, select: { by: "default" } };
  if (/^\d+$/.test(version) && BigInt(version.slice(0, 20)) > MAX_INT64) {
    throw invalid(`Failed to convert version: ${version.slice(0, 40)} to numeric.`);
  }
  return { name, select: { by: "version", version } };
}

function hasZero(planes: Planes, name: string): boolean {
  try {
    return planes.data.versions(name).some(({ version }) => version === "0");
  } catch {
    return false;
  }
}
