// Errors as SageMaker's runtime API tells them: typed in header and body, so that every SDK raises the right class.

import { asInferError, type Code } from "../../../core/error.ts";
import type { WireReply } from "../../../core/protocol.ts";
import { type ErrorType, encodeError } from "../../../wire/sagemaker.ts";

/** What each code is there. A model's own fault is a ModelError, which no SDK asks again. */
const TYPES: Record<Code, ErrorType> = {
  "invalid-argument": "ValidationError",
  unauthenticated: "InvalidSignatureException",
  "permission-denied": "AccessDeniedException",
  // as SageMaker says of an endpoint that is not there
  "not-found": "ValidationError",
  unsupported: "ValidationError",
  "too-large": "ValidationError",
  // every SDK of AWS knows it, and asks again after a pause
  "quota-exceeded": "ThrottlingException",
  overloaded: "ServiceUnavailable",
  unavailable: "ServiceUnavailable",
  "deadline-exceeded": "ModelError",
  cancelled: "ValidationError",
  "bad-backend": "ModelError",
  internal: "InternalFailure",
};

/** What a container would have answered where SageMaker tells it. */
const ORIGINAL: Partial<Record<Code, number>> = { "bad-backend": 500, "deadline-exceeded": 504 };

/** The type of an error in SageMaker's words. */
export function typeOf(code: Code): ErrorType {
  return TYPES[code];
}

/** An error in the shape of the runtime API. */
export function fail(error: unknown): WireReply {
  const fault = asInferError(error);
  const { code, message, origin, retryAfterMs } = fault;
  const originalStatus = ORIGINAL[code];
  const original = originalStatus === undefined ? {} : { originalStatus, originalMessage: message };
  const { status, headers, body } = encodeError(TYPES[code], { message, ...original });
  const pause = retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(retryAfterMs / 1000)) };
  return {
    status,
    headers: { ...headers, "sluice-error-origin": origin, ...pause },
    body,
    about: { code, origin, error: message },
  };
}
