// What the statuses of TensorFlow Serving mean, over REST and over gRPC.

import { InferError } from "../../core/error.ts";
import { decodeError } from "../../wire/oip-metadata.ts";
import type { GrpcStatus, HttpAnswer } from "../connection.ts";
import { type FaultTable, saidIn, statusFault, USUAL_FAULTS } from "../http/faults.ts";
import { credentialsRefused } from "../http-errors.ts";
import { trimText } from "../said.ts";

/**
 * By status of REST. Sources: protocols.md 8.1 to 8.5. A 400 is INVALID_ARGUMENT, FAILED_PRECONDITION or OUT_OF_RANGE; a 409
 * ABORTED or ALREADY_EXISTS; a 500 INTERNAL, UNKNOWN or DATA_LOSS, among them whatever the graph raised.
 */
const FAULTS: FaultTable = {
  400: { code: "invalid-argument" },
  404: { code: "not-found" },
  409: { code: "unavailable", message: "the backend aborted the call" },
  429: { code: "overloaded", origin: "backend", retryable: "elsewhere", message: "the backend is overloaded" },
  499: { code: "unavailable", message: "the backend cancelled the call" },
  500: { code: "bad-backend", tells: true },
  501: { code: "unsupported" },
};

/** A path that the server does not have at all, or one that another server has. */
const NO_SUCH_PATH: FaultTable = {
  404: { code: "bad-backend", retryable: "no", message: "the backend does not have this path: it is no TF Serving" },
  405: {
    code: "bad-backend",
    retryable: "no",
    message: "the backend does not take this question: it is no TF Serving",
  },
};

/** What an answer that is no success means. */
export function restFault(answer: HttpAnswer): InferError {
  const isOwn = decodeError(answer.body) !== undefined;
  if (isOwn && answer.status === 400 && UNKNOWN_LABEL.test(saidIn(answer.body))) {
    return new InferError("not-found", saidIn(answer.body));
  }
  return statusFault(answer, isOwn ? [FAULTS, USUAL_FAULTS] : [NO_SUCH_PATH, FAULTS, USUAL_FAULTS]);
}

/** A label that no version has is INVALID_ARGUMENT to TF Serving; where its words change, the caller's fault remains. */
const UNKNOWN_LABEL = /unrecognized servable version label/i;
/** Predict says so with FAILED_PRECONDITION, Classify and Regress with INVALID_ARGUMENT. */
const UNKNOWN_SIGNATURE = /signature/i;

const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const UNIMPLEMENTED = 12;
const UNAUTHENTICATED = 16;

/**
 * What a gRPC status that is not OK means; undefined where it means what gRPC says it means. Sources: protocols.md 8.6 and
 * 16.2.
 */
export function grpcFaultOf({ code, details }: GrpcStatus): InferError | undefined {
  const text = trimText(details);
  switch (code) {
    case INVALID_ARGUMENT:
      return UNKNOWN_LABEL.test(text) ? new InferError("not-found", text) : undefined;
    case FAILED_PRECONDITION:
      if (UNKNOWN_SIGNATURE.test(text)) return new InferError("invalid-argument", text);
      // a label whose version is not loaded; variables and tables of a graph that are not there yet
      return new InferError("unavailable", text || "the backend is not in the state for it");
    case RESOURCE_EXHAUSTED:
      return new InferError("overloaded", "the backend is overloaded", { origin: "backend", retryable: "elsewhere" });
    case UNIMPLEMENTED:
      return new InferError("unsupported", text || "the backend cannot do this", { origin: "backend" });
    case PERMISSION_DENIED:
    case UNAUTHENTICATED:
      return credentialsRefused("its status");
    default:
      return undefined;
  }
}
