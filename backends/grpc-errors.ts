// What a gRPC status that is not OK means in the words of the house: one table over all of its codes.

import { type Code, InferError, type Origin, type Retryable, restated } from "../core/error.ts";
import type { GrpcStatus } from "./connection.ts";
import { BROKEN_OFF } from "./connection.ts";
import { answerTooLarge, credentialsRefused } from "./http-errors.ts";
import { trimText } from "./said.ts";

interface Row {
  readonly code: Code;
  readonly origin?: Origin;
  readonly retryable?: Retryable;
  /** Said when the server says nothing, or in place of what it says where that concerns no caller. */
  readonly text: string;
  /** The server's words are passed on. */
  readonly said: boolean;
}

/** Source: grpc/grpc doc/statuscodes.md. UNAUTHENTICATED and PERMISSION_DENIED are in `grpcFault`. */
const ROWS: Readonly<Record<number, Row>> = {
  // CANCELLED, and not by us
  1: { code: "unavailable", text: "the backend cancelled the call", said: false },
  // UNKNOWN: an exception in the server
  2: { code: "bad-backend", text: "the backend failed", said: true },
  // INVALID_ARGUMENT
  3: { code: "invalid-argument", text: "the backend refuses the request", said: true },
  // DEADLINE_EXCEEDED: the deadline is the one that went along with the call, whoever finds it passed first
  4: { code: "deadline-exceeded", origin: "gateway", text: "the backend found the deadline passed", said: false },
  // NOT_FOUND
  5: { code: "not-found", text: "the backend does not know what was asked for", said: true },
  // ALREADY_EXISTS
  6: { code: "invalid-argument", text: "the backend has it already", said: true },
  // RESOURCE_EXHAUSTED
  8: { code: "overloaded", origin: "backend", text: "the backend is overloaded", said: false },
  // FAILED_PRECONDITION: its state is not what the request needs
  9: { code: "bad-backend", text: "the backend is not in the state for it", said: true },
  // ABORTED
  10: { code: "unavailable", text: "the backend aborted the call", said: false },
  // OUT_OF_RANGE
  11: { code: "invalid-argument", text: "the backend refuses the request", said: true },
  // UNIMPLEMENTED
  12: { code: "unsupported", origin: "backend", text: "the backend does not know this method", said: true },
  // INTERNAL
  13: { code: "bad-backend", text: "the backend failed", said: true },
  // UNAVAILABLE
  14: { code: "unavailable", text: "the backend is unavailable", said: false },
  // DATA_LOSS
  15: { code: "bad-backend", text: "the backend lost data", said: true },
};

const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;
const NAMES: Readonly<Record<number, string>> = { 7: "PERMISSION_DENIED", 16: "UNAUTHENTICATED" };

/** Words of grpc-js itself for a connection that did not come about or broke; they hold addresses. Source: its build/src. */
const NOT_CONNECTED =
  /^(No connection established|Name resolution failed|Channel has been shut down|Failed to connect|Waiting for LB pick)/;
const BROKEN =
  /^(Connection dropped|Stream refused by server|(read|write|connect) E[A-Z]+|Call cancelled$|Received RST_STREAM with code [78]\b)/;
const HTTP = /^Received HTTP status code/;
const NO_GRPC =
  /^(Received RST_STREAM|No message received|Too many responses|Received compressed message|Protocol error)/;
const TOO_LARGE = /larger than (?:max \((\d+) vs\.? (\d+)\)|(\d+))$/;

/**
 * The fault behind a status. Faults of the transport come first, because their words are grpc-js's own; then what the kind
 * says; then the table.
 *
 * @param maxMessageBytes the largest message taken
 */
export function grpcFault(
  status: GrpcStatus,
  maxMessageBytes: number,
  faultOf?: (status: GrpcStatus) => InferError | undefined,
): InferError {
  const fault = transportFault(status, maxMessageBytes) ?? faultOf?.(status) ?? usualFault(status);
  return fault.cause === undefined ? restated(fault, { cause: causeOf(status) }) : fault;
}

function transportFault(status: GrpcStatus, maxMessageBytes: number): InferError | undefined {
  const { details } = status;
  const cause = causeOf(status);
  if (NOT_CONNECTED.test(details))
    return new InferError("unavailable", "no connection to the backend", { cause, unsent: true });
  if (BROKEN.test(details)) return new InferError("unavailable", BROKEN_OFF, { cause });
  if (HTTP.test(details) && !(status.code in NAMES)) {
    return new InferError(
      status.code === 14 ? "unavailable" : "bad-backend",
      "the backend answered with HTTP, not gRPC",
      {
        cause,
      },
    );
  }
  if (NO_GRPC.test(details)) return new InferError("bad-backend", "the backend's answer is not valid gRPC", { cause });
  return status.code === 8 ? sizeFault(details, maxMessageBytes) : undefined;
}

/** Both sides say `larger than max (got vs limit)`: it is the answer that is too large when the limit is our own. */
function sizeFault(details: string, maxMessageBytes: number): InferError | undefined {
  const match = TOO_LARGE.exec(details);
  if (match === null) return undefined;
  const limit = Number(match[2] ?? match[3]);
  if (limit === maxMessageBytes && !details.startsWith("SERVER:")) {
    return answerTooLarge(maxMessageBytes, match[1] ?? "more when unpacked");
  }
  return new InferError("too-large", `the backend takes messages of at most ${limit} bytes`);
}

function usualFault(status: GrpcStatus): InferError {
  if (status.code === PERMISSION_DENIED || status.code === UNAUTHENTICATED) {
    return credentialsRefused(NAMES[status.code] ?? "", causeOf(status));
  }
  const row = ROWS[status.code] ?? ROWS[13];
  if (row === undefined) return new InferError("bad-backend", "the backend failed");
  const said = row.said ? trimText(status.details) : "";
  const ours = row.code === "bad-backend" || row.origin === "backend";
  const message = said === "" ? row.text : ours ? `${row.text}: ${said}` : said;
  const pause = status.trailers.get("grpc-retry-pushback-ms");
  return new InferError(row.code, message, {
    cause: causeOf(status),
    ...(row.origin === undefined ? {} : { origin: row.origin }),
    ...(row.retryable === undefined ? {} : { retryable: row.retryable }),
    ...(pause !== undefined && /^\d{1,8}$/.test(pause) ? { retryAfterMs: Number(pause) } : {}),
  });
}

function causeOf(status: GrpcStatus): Error {
  return new Error(`gRPC status ${status.code}: ${status.details}`);
}
