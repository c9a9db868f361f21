// What an HTTP exchange that gave no answer means, in the words of the house: one table over the codes of undici, Node and OpenSSL.

import { type Code, InferError } from "../core/error.ts";
import { BROKEN_OFF } from "./connection.ts";

/** Code and message for each foreign code. Sources: undici lib/core/errors.js, `man errno`, llhttp's HPE_ codes. */
const FAULTS: Readonly<Record<string, readonly [Code, string]>> = {
  ECONNREFUSED: ["unavailable", "the backend refused the connection"],
  ENOTFOUND: ["unavailable", "the backend's name could not be resolved"],
  EAI_AGAIN: ["unavailable", "the backend's name could not be resolved for the moment"],
  EHOSTUNREACH: ["unavailable", "no way leads to the backend"],
  EHOSTDOWN: ["unavailable", "no way leads to the backend"],
  ENETUNREACH: ["unavailable", "no way leads to the backend"],
  ENETDOWN: ["unavailable", "no way leads to the backend"],
  EADDRNOTAVAIL: ["unavailable", "no local address is left for a connection to the backend"],
  ETIMEDOUT: ["unavailable", "the backend's machine did not answer in time"],
  UND_ERR_CONNECT_TIMEOUT: ["unavailable", "no connection to the backend within the connect timeout"],
  UND_ERR_SOCKET: ["unavailable", BROKEN_OFF],
  ECONNRESET: ["unavailable", BROKEN_OFF],
  ECONNABORTED: ["unavailable", BROKEN_OFF],
  EPIPE: ["unavailable", BROKEN_OFF],
  // an answer that ended before its content-length
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ["unavailable", BROKEN_OFF],
  // and in the middle of a chunk
  HPE_INVALID_EOF_STATE: ["unavailable", BROKEN_OFF],
  UND_ERR_DESTROYED: ["unavailable", "the connection to the backend is being closed"],
  UND_ERR_CLOSED: ["unavailable", "the connection to the backend is being closed"],
  UND_ERR_HEADERS_TIMEOUT: ["bad-backend", "the backend sent no answer within the headers timeout"],
  UND_ERR_BODY_TIMEOUT: [
    "bad-backend",
    "the backend stopped in the middle of its answer for longer than the body timeout",
  ],
  UND_ERR_HEADERS_OVERFLOW: ["bad-backend", "the backend's answer has more bytes of headers than are taken"],
  HPE_HEADER_OVERFLOW: ["bad-backend", "the backend's answer has more bytes of headers than are taken"],
  UND_ERR_INVALID_ARG: ["internal", "internal error"],
  EMFILE: ["overloaded", "no file descriptor is left for a connection to the backend"],
  ENFILE: ["overloaded", "no file descriptor is left for a connection to the backend"],
};

/** Codes of a connection that did not come about: nothing was sent. */
const NOT_CONNECTED: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "EMFILE",
  "ENFILE",
]);

/** Errors of a connection that ended; with nothing received, nothing is known of what the server did with the request. */
const BROKEN: ReadonlySet<string> = new Set(["UND_ERR_SOCKET", "ECONNRESET", "ECONNABORTED", "EPIPE"]);

/** An answer that ended where it may not: all that undici's parser says of it. Source: llhttp's HPE_INVALID_EOF_STATE. */
const CUT_OFF = "Invalid EOF state";

/** What undici calls a socket's end that is no end: an answer nobody asked for, 100 or 101. Source: its client-h1.js. */
const NOT_BROKEN: ReadonlySet<string> = new Set(["bad response", "bad upgrade"]);

/** Codes of a handshake that failed. Source: Node's tls docs, "X509 certificate error codes", and OpenSSL's reasons. */
const TLS =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL|EPROTO$|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_(CA|PURPOSE)|HOSTNAME_MISMATCH|PATH_LENGTH_)/;

/**
 * The fault as an InferError: `unavailable` when no connection came about or it broke, `bad-backend` for an answer that is
 * not HTTP or not in time. An InferError is itself; what is not in the table is `internal`.
 *
 * @param headed the head of the answer had come. undici has one error for a head that contradicts itself about the length
 *   and for a body that ended too early
 * @param sentBefore it had been sent over another connection already, so that it may have run whatever became of this one
 */
export function httpFault(error: unknown, headed = true, sentBefore = false): InferError {
  if (error instanceof InferError) return error;
  const code = codeOf(error);
  if (code === "UND_ERR_SOCKET" && NOT_BROKEN.has((error as Error).message)) return notHttp(error);
  if (code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH" && !headed) return notHttp(error);
  const row = Object.hasOwn(FAULTS, code) ? FAULTS[code] : undefined;
  if (row !== undefined) {
    return new InferError(row[0], row[1], { cause: error, unsent: !sentBefore && NOT_CONNECTED.has(code) });
  }
  if (code.startsWith("HPE_")) return notHttp(error);
  if (TLS.test(code)) {
    return new InferError("unavailable", `the TLS handshake with the backend failed (${code})`, { cause: error });
  }
  return new InferError("internal", "internal error", { cause: error });
}

/** Whether the connection ended under the request, rather than the answer being wrong or late. */
export function isBroken(error: unknown): boolean {
  return BROKEN.has(codeOf(error)) && !NOT_BROKEN.has((error as Error).message);
}

/** The answer has more bytes than the backend's `limits.answer` allows. */
export function answerTooLarge(maxBytes: number, got: string): InferError {
  return new InferError("bad-backend", `the backend's answer: expected at most ${maxBytes} bytes, got ${got}`, {
    retryable: "no",
  });
}

/** 401, 403, UNAUTHENTICATED, PERMISSION_DENIED: what the gateway was configured to send is not what the backend wants. */
export function credentialsRefused(said: string, cause?: unknown): InferError {
  return new InferError("bad-backend", `the backend refused the gateway's credentials (${said})`, { cause });
}

function notHttp(cause: unknown): InferError {
  return new InferError("bad-backend", "the backend's answer is not valid HTTP/1.1", { cause });
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const code = (error as { readonly code?: unknown }).code;
  if (typeof code === "string") return code;
  // undici gives the parser's errors no code (its table of them is the other way round), only a reason in brackets
  if (error.name !== "HTTPParserError") return "";
  return error.message.includes(CUT_OFF) ? "HPE_INVALID_EOF_STATE" : "HPE_UNKNOWN";
}
