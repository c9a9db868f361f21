// The one error class of the house: what went wrong, whose fault it is, and whether another try may help.

/** What went wrong. The set is closed: every protocol maps each word in a total table. */
export type Code =
  | "invalid-argument"
  | "unauthenticated"
  | "permission-denied"
  | "not-found"
  | "unsupported"
  | "too-large"
  | "quota-exceeded"
  | "overloaded"
  | "unavailable"
  | "deadline-exceeded"
  | "cancelled"
  | "bad-backend"
  | "internal";

/** Whose fault it is. Told to the caller in the header `sluice-error-origin`. */
export type Origin = "client" | "gateway" | "backend";

/** Where another try may cure the fault: nowhere, on another endpoint, or here after a pause. */
export type Retryable = "no" | "elsewhere" | "later";

const ORIGINS: Record<Code, Origin> = {
  "invalid-argument": "client",
  unauthenticated: "client",
  "permission-denied": "client",
  "not-found": "client",
  unsupported: "client",
  "too-large": "client",
  "quota-exceeded": "client",
  overloaded: "gateway",
  unavailable: "backend",
  "deadline-exceeded": "gateway",
  cancelled: "client",
  "bad-backend": "backend",
  internal: "gateway",
};

const RETRYABLE: Record<Code, Retryable> = {
  "invalid-argument": "no",
  unauthenticated: "no",
  "permission-denied": "no",
  "not-found": "no",
  unsupported: "no",
  "too-large": "no",
  "quota-exceeded": "later",
  overloaded: "later",
  unavailable: "elsewhere",
  "deadline-exceeded": "no",
  cancelled: "no",
  "bad-backend": "elsewhere",
  internal: "no",
};

/** Faults of the day, which come by the thousand: where they were made says nothing, and to find it out costs more than all the rest. */
const WITHOUT_STACK: ReadonlySet<Code> = new Set([
  "quota-exceeded",
  "overloaded",
  "unavailable",
  "deadline-exceeded",
  "cancelled",
]);

/** What may be said beside code and message; each has a default that follows from the code. */
export interface ErrorDetails {
  readonly origin?: Origin;
  readonly retryable?: Retryable;
  /** When a retry is worth its while, in milliseconds from now. */
  readonly retryAfterMs?: number;
  /** The request did not reach a server: nothing has run, so that another try repeats nothing. */
  readonly unsent?: boolean;
  /** Refused for want of room, whatever the request was like. */
  readonly crowded?: boolean;
  /** The foreign error behind this one: for the log, never sent to a client. */
  readonly cause?: unknown;
}

/**
 * A fault in the words of the house. `message` is written for the caller: what was expected, what was got, where.
 * It never holds addresses, stack traces or another caller's data.
 */
export class InferError extends Error {
  readonly code: Code;
  readonly origin: Origin;
  readonly retryable: Retryable;
  readonly retryAfterMs: number | undefined;
  readonly unsent: boolean;
  readonly crowded: boolean;

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    const { stackTraceLimit } = Error;
    if (WITHOUT_STACK.has(code)) Error.stackTraceLimit = 0;
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = "InferError";
    this.code = code;
    this.origin = details.origin ?? ORIGINS[code];
    this.retryable = details.retryable ?? RETRYABLE[code];
    this.retryAfterMs = details.retryAfterMs;
    this.unsent = details.unsent ?? false;
    this.crowded = details.crowded ?? false;
  }
}

/** The error as an InferError: itself, or `internal` with the foreign one as its cause. */
export function asInferError(error: unknown): InferError {
  if (error instanceof InferError) return error;
  return new InferError("internal", "internal error", { cause: error });
}

/** The same fault, told in other words or with something else behind it. */
export function restated(fault: InferError, said: { readonly message?: string; readonly cause?: unknown }): InferError {
  const { code, origin, retryable, retryAfterMs, unsent, crowded } = fault;
  const pause = retryAfterMs === undefined ? {} : { retryAfterMs };
  const details = { origin, retryable, unsent, crowded, cause: said.cause ?? fault.cause, ...pause };
  return new InferError(code, said.message ?? fault.message, details);
}

/** Shorthand for the commonest fault: the client's request is not what it should be. */
export function invalid(message: string): InferError {
  return new InferError("invalid-argument", message);
}
