// What the statuses and texts of servers of the Open Inference Protocol over HTTP mean.

import { type ErrorDetails, InferError } from "../../core/error.ts";
import { decodeError } from "../../wire/oip-metadata.ts";
import type { HttpAnswer } from "../connection.ts";
import { retryAfter, saidIn } from "../http/faults.ts";
import { credentialsRefused } from "../http-errors.ts";
import { withAnswer } from "../said.ts";
import { oipTextFault, saidBy, unloadedFault } from "./grpc-faults.ts";

/**
 * What an answer that is no success means.
 *
 * Triton's 500 is three things: JSON that it cannot read, which is ours since the gateway wrote it; a model that it does
 * not have, when it is to load it; and a model's own fault. Its 503 is four. Sources: protocols.md 2.2, 5, 6, 7 and 16.
 */
export function oipHttpFault(answer: HttpAnswer): InferError {
  return withAnswer(faultOf(answer), answer);
}

function faultOf(answer: HttpAnswer): InferError {
  const { status } = answer;
  const text = saidOf(answer.body);
  const told = text === "" ? `the server answered with status ${status}` : text;
  switch (status) {
    case 400:
    case 422:
      return refusal(told);
    case 401:
    case 403:
    case 407:
      return credentialsRefused(`status ${status}`);
    case 404:
      return notFound(text);
    case 408:
    case 502:
    case 504:
      return new InferError("unavailable", `the server is not to be reached (status ${status})`);
    // Open Model Server's word for JSON that it cannot read
    case 412:
      return unreadable(told);
    case 413:
      return new InferError("too-large", "the request is larger than the server takes");
    case 429:
      return new InferError("overloaded", "the server is asked too often", elsewhere(answer));
    case 500:
      return failure(text);
    case 501:
      return unsupported(told);
    case 503:
      return unavailable(answer, text);
    default:
      return new InferError("bad-backend", `the server answered with an unexpected status ${status}${tail(text)}`, {
        retryable: status >= 500 ? "elsewhere" : "no",
      });
  }
}

/** A success that is none: the server says an error in it. */
export function errorInside(body: Uint8Array): InferError | undefined {
  const error = body.byteLength <= MAX_ERROR_BYTES ? decodeError(body) : undefined;
  if (error === undefined) return undefined;
  return new InferError("bad-backend", `the server answered with status 200 and an error: ${saidBy(error)}`, {
    retryable: "no",
    cause: error,
  });
}

/** The longest body that is looked through for an error. */
const MAX_ERROR_BYTES = 64 * 1024;

// Triton's texts may have the stack of a Python model behind them, which is taken off while it still has its lines.
function saidOf(body: Uint8Array): string {
  const error = body.byteLength <= MAX_ERROR_BYTES ? decodeError(body) : undefined;
  return error === undefined ? saidIn(body) : saidBy(error);
}

const tail = (text: string): string => (text === "" ? "" : `: ${text}`);

/** What Triton and others say of JSON, or of the framing of a body, that they cannot read. */
const UNREADABLE =
  /failed to parse the request|unable to parse|missing a root element|invalid value\.|inference header size|unexpected size for input|unexpected additional input data for model|attempt to access JSON|'inference-header-content-length'|malformed JSON|JSON decode error/i;
/** Triton says it with 400 of statistics, and 2.39 and older of everything. */
const UNKNOWN_MODEL = /^request for unknown model|^requested model '.*' is not available/i;
const NOT_READY = /\bis not ready|not ready yet|not at ready state|^model version not ready/i;
/** An exception of a Python model, as MLServer and KServe (`InvalidArgument : ...`) tell it. */
const EXCEPTION = /^[\w.]+(Error|Exception)\b ?:|^[A-Z]\w* : /;
const DECOUPLED = /decoupled transaction policy/i;

function refusal(text: string): InferError {
  const unloaded = unloadedFault(text);
  if (unloaded !== undefined) return unloaded;
  if (UNKNOWN_MODEL.test(text)) return new InferError("not-found", text);
  if (NOT_READY.test(text)) return new InferError("unavailable", text);
  if (UNREADABLE.test(text)) return unreadable(text);
  return new InferError("invalid-argument", text);
}

function unreadable(text: string): InferError {
  return new InferError("internal", `the server cannot read what the gateway wrote: ${text}`);
}

function notFound(text: string): InferError {
  const unloaded = unloadedFault(text);
  if (unloaded !== undefined) return unloaded;
  // the routers of Triton and FastAPI, for a path that they do not have
  const said = text === "" || /^not found$/i.test(text) ? "the server does not have the model or its version" : text;
  return new InferError("not-found", said);
}

function failure(text: string): InferError {
  if (UNREADABLE.test(text)) return unreadable(text);
  // another try gives the same answer where the model itself failed: the cause may lie in the data
  if (EXCEPTION.test(text)) return new InferError("bad-backend", text, { retryable: "no" });
  return oipTextFault(text) ?? new InferError("bad-backend", `the server failed: ${text}`);
}

function unsupported(text: string): InferError {
  if (!DECOUPLED.test(text)) return new InferError("unsupported", text);
  return new InferError(
    "unsupported",
    "the model answers with a stream, which the backend's protocol: http cannot carry; protocol: grpc can",
    { origin: "gateway" },
  );
}

function unavailable(answer: HttpAnswer, text: string): InferError {
  if (/exceeds maximum queue size/i.test(text)) {
    return new InferError("overloaded", "the server's queue is full", elsewhere(answer));
  }
  if (/request timeout expired/i.test(text)) {
    return new InferError("deadline-exceeded", "the request's time ran out in the server's queue");
  }
  // load and unload while the server follows its folder, or takes no orders at all
  if (/is not allowed/i.test(text)) return new InferError("unsupported", text, { origin: "backend" });
  return new InferError("unavailable", text === "" ? "the server is not ready" : text, waiting(answer));
}

function elsewhere(answer: HttpAnswer): ErrorDetails {
  return { origin: "backend", retryable: "elsewhere", ...waiting(answer) };
}

function waiting(answer: HttpAnswer): ErrorDetails {
  const retryAfterMs = retryAfter(answer.headers);
  return retryAfterMs === undefined ? {} : { retryAfterMs };
}
