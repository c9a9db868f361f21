// The statuses of gRPC, and what an error looks like in every protocol over gRPC.

import { asInferError, type Code } from "../../core/error.ts";
import type { WireReply, WireRequest } from "../../core/protocol.ts";

/** Source: grpc/grpc doc/statuscodes.md. */
export const OK = 0;

/** The table of the Open Inference Protocol, which other protocols may take over. */
export const GRPC_STATUS: Record<Code, number> = {
  // INVALID_ARGUMENT
  "invalid-argument": 3,
  // UNAUTHENTICATED
  unauthenticated: 16,
  // PERMISSION_DENIED
  "permission-denied": 7,
  // NOT_FOUND
  "not-found": 5,
  // UNIMPLEMENTED, as Triton
  unsupported: 12,
  // RESOURCE_EXHAUSTED, as gRPC itself says of a message that is too large
  "too-large": 8,
  // RESOURCE_EXHAUSTED, as gRPC's own list of codes says of a quota per user
  "quota-exceeded": 8,
  // RESOURCE_EXHAUSTED too: KServe's client sends again at once what was UNAVAILABLE, which is the last thing wanted here
  overloaded: 8,
  // UNAVAILABLE
  unavailable: 14,
  // DEADLINE_EXCEEDED
  "deadline-exceeded": 4,
  // CANCELLED
  cancelled: 1,
  // INTERNAL
  "bad-backend": 13,
  internal: 13,
};

/** An error as a status with its text, whose fault it is in the metadata behind it. */
export function grpcFail(error: unknown, table: Record<Code, number> = GRPC_STATUS): WireReply {
  const fault = asInferError(error);
  const headers: Record<string, string> = { "sluice-error-origin": fault.origin };
  // gRPC's own word for a pause; clients that retry by themselves keep to it
  if (fault.retryAfterMs !== undefined) headers["grpc-retry-pushback-ms"] = String(Math.ceil(fault.retryAfterMs));
  return {
    status: table[fault.code],
    statusText: fault.message,
    headers,
    body: [],
    about: { code: fault.code, origin: fault.origin, error: fault.message },
  };
}

/** An answer of one message. */
export function grpcReply(message: Uint8Array): WireReply {
  return { status: OK, headers: {}, body: message };
}

/** The one message of a call that has one. */
export function messageOf(wire: WireRequest): Uint8Array {
  return wire.body as Uint8Array;
}
