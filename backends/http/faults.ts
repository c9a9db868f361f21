// What an HTTP status of a server means in the words of the house, and what the server said about it.

import { type Code, InferError, type Origin, type Retryable } from "../../core/error.ts";
import type { AnswerHeaders, HttpAnswer } from "../connection.ts";
import { credentialsRefused } from "../http-errors.ts";
import { trimText, withAnswer } from "../said.ts";

/** What a status means: whose fault it is and where another try may help; what is absent follows from the code. */
export interface FaultRow {
  readonly code: Code;
  readonly origin?: Origin;
  readonly retryable?: Retryable;
  /** The server's own words are meant for callers, though the fault is not theirs. */
  readonly tells?: boolean;
  /** What is said instead of the server's own words. */
  readonly message?: string;
}

export type FaultTable = Readonly<Record<number, FaultRow>>;

/**
 * What a status means where a kind or the config says nothing else. Only 400, 413 and 422 blame the caller: a 404 or 405
 * is the gateway's configuration, a 401 its credentials.
 */
export const USUAL_FAULTS: FaultTable = {
  400: { code: "invalid-argument" },
  408: { code: "unavailable" },
  413: { code: "too-large" },
  422: { code: "invalid-argument" },
  429: { code: "overloaded", origin: "backend" },
  500: { code: "bad-backend" },
  502: { code: "unavailable" },
  503: { code: "unavailable" },
  504: { code: "deadline-exceeded", origin: "backend" },
};

/** A code of the config as a row: what the backend says about itself is its own fault. */
export function rowOf(code: Code): FaultRow {
  return code === "overloaded" || code === "deadline-exceeded" || code === "internal"
    ? { code, origin: "backend" }
    : { code };
}

/**
 * The fault behind an answer whose status is none of 200 to 299. The tables are asked in their order. The server's own
 * words reach the caller where the fault is the caller's; the whole of the answer is the cause, for the log.
 */
export function statusFault(answer: HttpAnswer, tables: readonly FaultTable[]): InferError {
  const { status } = answer;
  const row = tables.map((table) => table[status]).find((each) => each !== undefined);
  const said = saidIn(answer.body);
  if (row === undefined) return withAnswer(unknownStatus(status), answer);
  const retryAfterMs = retryAfter(answer.headers);
  const fault = rowFault(row, {
    said,
    otherwise: `the backend answered with status ${status}`,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
  return withAnswer(fault, answer);
}

/** A row as the error of one answer; `said` are the server's words, `otherwise` is told where they are not. */
export function rowFault(
  row: FaultRow,
  answer: { readonly said: string; readonly otherwise: string; readonly retryAfterMs?: number },
): InferError {
  const { said, otherwise, retryAfterMs } = answer;
  const isCallers = row.origin === "client" || (row.origin === undefined && CLIENT_CODES.has(row.code));
  const message = row.message ?? (said !== "" && (isCallers || row.tells === true) ? said : otherwise);
  return new InferError(row.code, message, {
    ...(row.origin === undefined ? {} : { origin: row.origin }),
    ...(row.retryable === undefined ? {} : { retryable: row.retryable }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(said === "" || message === said ? {} : { cause: said }),
  });
}

const CLIENT_CODES: ReadonlySet<Code> = new Set(["invalid-argument", "too-large", "not-found", "unsupported"]);

function unknownStatus(status: number): InferError {
  if (status === 401 || status === 403) return credentialsRefused(`status ${status}`);
  const what = status < 400 ? "an unexpected status" : "status";
  return new InferError("bad-backend", `the backend answered with ${what} ${status}`, {
    retryable: status >= 500 && status !== 501 ? "elsewhere" : "no",
  });
}

/** Milliseconds of a Retry-After in seconds; undefined where it is absent, a date or beyond a day. */
export function retryAfter(headers: AnswerHeaders): number | undefined {
  const text = headers.get("retry-after");
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined;
  return Number(text) * 1000;
}

/** The members in which servers say what is wrong, in the order in which they are looked for. */
const SAID_IN = ["error", "detail", "message", "Message", "OriginalMessage", "msg"];

/**
 * What a server says about a fault: the text of a JSON member such as `error` or `detail`, or the whole of a short plain
 * text; on one line, at most 500 characters. Pages of HTML and stack traces say nothing.
 */
export function saidIn(body: Uint8Array): string {
  if (body.byteLength === 0 || body.byteLength > 64 * 1024) return "";
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
  return trimText(textIn(parseOr(text), 0) ?? (/^\s*[<[{]/.test(text) ? "" : text));
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// Follows `[{"error": ..}]`, `{"error": {"message": ..}}` and FastAPI's `{"detail": [{"loc": [..], "msg": ..}]}`.
function textIn(value: unknown, depth: number): string | undefined {
  if (depth > 4 || value === null || value === undefined) return undefined;
  if (typeof value === "string") return value;
  if (Array.isArray(value)) {
    const texts = value.slice(0, 3).flatMap((item) => textIn(item, depth + 1) ?? []);
    return texts.length === 0 ? undefined : texts.join("; ");
  }
  if (typeof value !== "object") return undefined;
  const members = value as Readonly<Record<string, unknown>>;
  const names = SAID_IN.filter((each) => members[each] !== undefined && members[each] !== null);
  // BentoML says "1 validation error" in `error` and which one in `detail`
  const told = names[0] === "error" && Array.isArray(members.detail) ? ["error", "detail"] : names.slice(0, 1);
  const texts = told.flatMap((name) => textIn(members[name], depth + 1) ?? []);
  if (texts.length === 0) return undefined;
  const at = placeOf(members.loc);
  return at === "" ? texts.join(": ") : `${at}: ${texts.join(": ")}`;
}

function placeOf(loc: unknown): string {
  return Array.isArray(loc) ? loc.filter((part) => typeof part === "string" || typeof part === "number").join(".") : "";
}
