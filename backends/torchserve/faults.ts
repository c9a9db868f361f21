// What TorchServe's faults mean: the exception's class, which both of its protocols tell, says more than the status.

import { type ErrorDetails, InferError } from "../../core/error.ts";
import { decodeError } from "../../wire/torchserve-documents.ts";
import type { GrpcStatus, HttpAnswer } from "../connection.ts";
import { statusFault, USUAL_FAULTS } from "../http/faults.ts";
import { credentialsRefused } from "../http-errors.ts";
import { trimText, withAnswer } from "../said.ts";

/** What an answer over HTTP that is no success means. Sources: protocols.md 9.2 and 16.5. */
export function httpFault(answer: HttpAnswer): InferError {
  const said = decodeError(answer.body);
  // the empty body of a 413, or a proxy in between
  if (said === undefined) return statusFault(answer, [USUAL_FAULTS]);
  const fault = exceptionFault({ type: said.type, message: trimText(said.message), status: answer.status });
  return withAnswer(fault, answer);
}

/**
 * What a gRPC status means: `Prediction failed\norg.pytorch.serve.http.InternalServerException`; undefined for a status
 * that no handler and no server of it gave. Sources: protocols.md 9.5 and 16.5, and TorchServe 0.12's own answers.
 */
export function grpcFault({ code, details }: GrpcStatus): InferError | undefined {
  const match = /^(.*)\n(?:[\w.]+\.)?(\w+Exception)(?:\.\(\))?\s*$/s.exec(details);
  if (match === null) return undefined;
  const [, message = "", type = ""] = match;
  return exceptionFault({ type, message: trimText(message), status: HTTP_STATUS[code] ?? 500 });
}

/** The status that a handler gave, as near as gRPC keeps it. Source: TorchServe's util/GRPCUtils.java. */
const HTTP_STATUS: Readonly<Record<number, number>> = {
  1: 499,
  3: 400,
  4: 504,
  5: 404,
  7: 403,
  8: 429,
  9: 400,
  10: 409,
  11: 416,
  12: 501,
  13: 500,
  14: 503,
  16: 401,
};

interface Exception {
  /** `ModelNotFoundException`. */
  readonly type: string;
  readonly message: string;
  readonly status: number;
}

function exceptionFault(said: Exception): InferError {
  const { type, message, status } = said;
  // one and the same for a full queue and for a model without workers; gRPC gives it another class
  if (type === "ServiceUnavailableException" || /has no worker to serve/.test(message)) {
    return new InferError("overloaded", "the model's queue is full there, or it has no worker", elsewhere(message));
  }
  switch (type) {
    case "ModelNotFoundException":
    case "ModelVersionNotFoundException":
      return new InferError("not-found", message);
    case "BadRequestException":
      return new InferError("invalid-argument", message);
    case "InvalidKeyException":
      return credentialsRefused("token authorization", message);
    case "ResourceNotFoundException":
    case "MethodNotAllowedException":
      return new InferError("bad-backend", "the backend does not have this path", { retryable: "no", cause: message });
    case "RequestTimeoutException":
      return new InferError("unavailable", "the backend took too long", { cause: message });
    case "InternalServerException":
      return handlerFault(said);
    default:
      return new InferError("bad-backend", `the backend answered with status ${status}`, {
        retryable: "no",
        cause: `${type}: ${message}`,
      });
  }
}

// A handler's PredictionException has any status and text that its author chose.
function handlerFault({ message, status }: Exception): InferError {
  if (/^Out of resources$/i.test(message) || status === 507) {
    return new InferError("overloaded", "the model ran out of memory there", elsewhere(message));
  }
  // also after a response timeout, and for an answer that is too large
  if (/^Worker died\.?$/i.test(message)) {
    return new InferError("bad-backend", "the worker of the model died", { cause: message });
  }
  // another try gives the same answer: the cause may lie in the data
  if (/^Prediction failed$/i.test(message)) {
    return new InferError("bad-backend", "the model failed: prediction failed", { retryable: "no" });
  }
  if (status === 413) return new InferError("too-large", message);
  if (status === 429) return new InferError("overloaded", `the model refused: ${message}`, elsewhere(message));
  if (status === 503) return new InferError("unavailable", `the model refused: ${message}`);
  if (status === 504)
    return new InferError("deadline-exceeded", `the model refused: ${message}`, { origin: "backend" });
  if (status === 501) return new InferError("unsupported", message, { origin: "backend" });
  if (status >= 400 && status < 500) return new InferError("invalid-argument", message);
  return new InferError("bad-backend", `the model failed: ${message}`, { retryable: "no" });
}

const elsewhere = (cause: string): ErrorDetails => ({ origin: "backend", retryable: "elsewhere", cause });

/** The largest message that TorchServe takes unless its `max_request_size` says otherwise. Source: its ConfigManager.java. */
const USUAL_MAX_BYTES = 6_553_500;

/** What a broken call was: TorchServe resets the stream of a message that it does not take, without a word. */
export function orTooLarge(error: unknown, sentBytes: number): unknown {
  const isReset =
    error instanceof InferError && error.code === "unavailable" && /status 1: Call cancelled/.test(String(error.cause));
  if (!isReset || sentBytes <= USUAL_MAX_BYTES) return error;
  return new InferError(
    "too-large",
    `the backend broke off a request of ${sentBytes} bytes: TorchServe takes ${USUAL_MAX_BYTES} unless it is told otherwise`,
    { cause: error },
  );
}
