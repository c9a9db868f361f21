// What SageMaker's errors mean in the words of the house: by their type where they have one, else by their status.

import { InferError } from "../../core/error.ts";
import { decodeError, type RuntimeError, type StreamEvent } from "../../wire/sagemaker.ts";
import type { HttpAnswer } from "../connection.ts";
import { type FaultRow, type FaultTable, retryAfter, rowFault, statusFault, USUAL_FAULTS } from "../http/faults.ts";
import { credentialsRefused } from "../http-errors.ts";
import { trimText, withAnswer } from "../said.ts";

/** By type. Sources: botocore's sagemaker-runtime model; AWS General Reference, "Common errors". */
export const TYPE_FAULTS: Readonly<Record<string, FaultRow>> = {
  ValidationError: { code: "invalid-argument" },
  ValidationException: { code: "invalid-argument" },
  ModelNotReadyException: { code: "unavailable", retryable: "later", message: "the model is not ready yet" },
  ThrottlingException: { code: "overloaded", origin: "backend" },
  Throttling: { code: "overloaded", origin: "backend" },
  ServiceQuotaExceededException: { code: "overloaded", origin: "backend" },
  InternalFailure: { code: "bad-backend" },
  InternalServerException: { code: "bad-backend" },
  ServiceUnavailable: { code: "unavailable" },
  ServiceUnavailableException: { code: "unavailable" },
  InternalDependencyException: { code: "unavailable" },
};

/** Errors of the credentials, the clock or the signature: the gateway's configuration. */
const REFUSED: ReadonlySet<string> = new Set([
  "AccessDeniedException",
  "ExpiredToken",
  "ExpiredTokenException",
  "IncompleteSignature",
  "IncompleteSignatureException",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "MissingAuthenticationToken",
  "MissingAuthenticationTokenException",
  "NotAuthorized",
  "OptInRequired",
  "RequestExpired",
  "SignatureDoesNotMatch",
  "UnrecognizedClientException",
]);

/** By status, where nothing tells the type. */
export const STATUS_FAULTS: FaultTable = {
  424: { code: "bad-backend", retryable: "no", message: "the model failed" },
  429: { code: "overloaded", origin: "backend" },
  530: { code: "unavailable" },
};

/** The fault behind an answer of the runtime API. */
export function runtimeFault(answer: HttpAnswer): InferError {
  return withAnswer(faultOf(answer), answer);
}

function faultOf(answer: HttpAnswer): InferError {
  const error = decodeError(answer.headers, answer.body);
  if (error.type === "ModelError" || (answer.status === 424 && error.originalStatus !== undefined)) {
    return modelFault(error);
  }
  if (REFUSED.has(error.type)) return credentialsRefused(error.type, trimAws(error.message));
  const row = Object.hasOwn(TYPE_FAULTS, error.type) ? TYPE_FAULTS[error.type] : undefined;
  if (row === undefined) return statusFault(answer, [STATUS_FAULTS, USUAL_FAULTS]);
  const said = trimAws(error.message);
  if (row.code === "invalid-argument" && /^Endpoint .* not found/i.test(said)) {
    return new InferError("not-found", "the backend has no such endpoint", { cause: said });
  }
  const retryAfterMs = retryAfter(answer.headers);
  return rowFault(row, {
    said,
    otherwise: `the backend answered with ${error.type}`,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** What a container's statuses mean when they come through a ModelError: 4xx are about the caller's input. */
const CALLERS: Readonly<Record<number, FaultRow>> = {
  400: { code: "invalid-argument" },
  406: { code: "unsupported" },
  413: { code: "too-large" },
  415: { code: "unsupported" },
  422: { code: "invalid-argument" },
};

function modelFault({ originalStatus, originalMessage = "" }: RuntimeError): InferError {
  const status = originalStatus === undefined ? "" : ` with status ${originalStatus}`;
  const row = originalStatus === undefined ? undefined : CALLERS[originalStatus];
  return rowFault(row ?? { code: "bad-backend", retryable: "no" }, {
    said: trimText(originalMessage),
    otherwise: `the model failed${status}`,
  });
}

/** The error that a response stream ended with. Nothing is retried: parts have been given on. */
export function streamFault({ type, code, message }: Extract<StreamEvent, { readonly kind: "error" }>): InferError {
  const what = type === "ModelStreamError" ? "the model failed in its stream" : "the backend's stream failed";
  const late = code === "ModelInvocationTimeExceeded";
  return new InferError(
    late ? "deadline-exceeded" : "bad-backend",
    `${what}${code === "" ? "" : ` (${trimText(code)})`}`,
    {
      origin: "backend",
      retryable: "no",
      ...(message === "" ? {} : { cause: message }),
    },
  );
}

/** A text of AWS without the names of accounts and resources in it. */
function trimAws(text: string): string {
  return trimText(
    text
      .replace(/\barn:aws[\w:/.-]*/g, "")
      .replace(/ of account \d{12}\b/g, "")
      .replace(/\b\d{12}\b/g, ""),
  );
}

/** What a container's own statuses mean: multi-model-server's, the toolkit's and TF Serving's. */
export const CONTAINER_FAULTS: FaultTable = {
  404: { code: "not-found" },
  406: { code: "unsupported" },
  415: { code: "unsupported" },
  500: { code: "bad-backend", retryable: "no" },
  503: { code: "overloaded", origin: "backend", retryable: "elsewhere" },
  507: {
    code: "overloaded",
    origin: "backend",
    retryable: "elsewhere",
    message: "the backend has no memory left for the model",
  },
};
