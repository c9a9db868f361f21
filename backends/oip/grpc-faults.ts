// What the statuses and texts of servers of the Open Inference Protocol over gRPC mean.

import { InferError } from "../../core/error.ts";
import type { GrpcStatus } from "../connection.ts";
import { credentialsRefused } from "../http-errors.ts";
import { trimText } from "../said.ts";

/**
 * What a status that is not OK means; undefined where it means what gRPC says it means.
 *
 * Triton's UNAVAILABLE is four things, its INTERNAL a model's own fault, its UNKNOWN none of ours; a status that names
 * our credentials is never the caller's fault. Sources: protocols.md 3, 5, 6, 9.5 and 16.
 */
export function oipGrpcFault(status: GrpcStatus): InferError | undefined {
  const text = saidBy(status.details);
  switch (status.code) {
    // FAILED_PRECONDITION is MLServer's 422
    case INVALID_ARGUMENT:
    case FAILED_PRECONDITION:
    case OUT_OF_RANGE:
    case ALREADY_EXISTS:
      return new InferError("invalid-argument", text || "the server refuses the request");
    case NOT_FOUND:
      return unloadedFault(text) ?? new InferError("not-found", text || "the server does not know the model");
    case UNIMPLEMENTED:
      return new InferError("unsupported", text || "the server cannot do this", { origin: "backend" });
    case PERMISSION_DENIED:
    case UNAUTHENTICATED:
      return credentialsRefused("its status");
    case UNAVAILABLE:
      return unavailableFault(text);
    case UNKNOWN:
    case INTERNAL:
      return oipTextFault(text);
    default:
      return undefined;
  }
}

/** What the text of a fault inside a stream, or of a status that says nothing, means. */
export function oipTextFault(text: string): InferError {
  const unloaded = unloadedFault(text);
  if (unloaded !== undefined) return unloaded;
  if (UNKNOWN_MODEL.test(text)) return new InferError("not-found", text);
  if (CALLERS.test(text)) return new InferError("invalid-argument", text);
  const scheduled = scheduledFault(text);
  if (scheduled !== undefined) return scheduled;
  // another try gives the same answer where the model itself failed: the cause may lie in the data
  if (MODEL.test(text)) return new InferError("bad-backend", text, { retryable: "no" });
  return new InferError(
    "bad-backend",
    text === "" ? "the server failed without a reason" : `the server failed: ${text}`,
  );
}

/** A model that failed to load, or was unloaded, is not the caller's mistake: another endpoint may have it. */
export function unloadedFault(text: string): InferError | undefined {
  return /has no available versions/i.test(text) ? new InferError("unavailable", text) : undefined;
}

const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const PERMISSION_DENIED = 7;
const FAILED_PRECONDITION = 9;
const OUT_OF_RANGE = 11;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

const UNKNOWN_MODEL =
  /unknown model|model with name \S+ does not exist|model \S+ (with version (\S+ )?)?not found|model not found|model version: \S+ does not exist|failed to poll from model repository/i;
// Triton's, for what a stream of it carries without a code
const CALLERS =
  /^(expected \d+ inputs? but got|unexpected (shape|inference (in|out)put|explicit tensor data)|inference input|inference request batch-size|input byte size mismatch|unable to find data for input|contents field must not|input '[^']*' |output '[^']*' already exists)/i;
const MODEL = /failed to process the request\(s\) for model|^in ensemble|prediction failed|inference failed/i;

function unavailableFault(text: string): InferError | undefined {
  const scheduled = scheduledFault(text);
  if (scheduled !== undefined) return scheduled;
  if (/is restricted, expecting header/i.test(text)) return credentialsRefused("a restricted method");
  if (/is not allowed/i.test(text)) return new InferError("unsupported", text, { origin: "backend" });
  // TorchServe's handlers that raise are UNAVAILABLE
  if (MODEL.test(text)) return new InferError("bad-backend", text, { retryable: "no" });
  if (/not at ready state|is not ready|no available versions|not available|exiting/i.test(text)) {
    return new InferError("unavailable", text);
  }
  return undefined;
}

function scheduledFault(text: string): InferError | undefined {
  if (/exceeds maximum queue size/i.test(text)) {
    return new InferError("overloaded", "the server's queue is full", { origin: "backend", retryable: "elsewhere" });
  }
  if (/request timeout expired/i.test(text)) {
    return new InferError("deadline-exceeded", "the request's time ran out in the server's queue");
  }
  return undefined;
}

/** A server's own words on one line: without Triton's request id, the stack behind them, and what goes beyond 500 characters. */
export function saidBy(details: string): string {
  return trimText(details.replace(/^\[request id: [^\]]*\] /, ""));
}
