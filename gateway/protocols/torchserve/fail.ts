// Errors as TorchServe tells them: a class of its own beside the status, in pretty JSON.

import { asInferError, type Code } from "../../../core/error.ts";
import type { Planes, WireReply } from "../../../core/protocol.ts";
import type { ModelRef } from "../../../core/request.ts";
import { encodeError } from "../../../wire/torchserve-documents.ts";

/** TorchServe keeps nobody's answers, and says so on each. Source: NettyUtils.java, `sendHttpResponse`. */
export const ANSWER_HEADERS: Readonly<Record<string, string>> = {
  pragma: "no-cache",
  "cache-control": "no-cache; no-store, must-revalidate, private",
  expires: "Thu, 01 Jan 1970 00:00:00 UTC",
};

interface Kind {
  readonly status: number;
  readonly type: string;
}

/** What each code is there. Sources: protocols.md 9.2 and 16.5. */
const KINDS: Record<Code, Kind> = {
  "invalid-argument": { status: 400, type: "BadRequestException" },
  // a bad token is a 400 there
  unauthenticated: { status: 400, type: "InvalidKeyException" },
  "permission-denied": { status: 403, type: "InvalidKeyException" },
  "not-found": { status: 404, type: "ResourceNotFoundException" },
  unsupported: { status: 400, type: "BadRequestException" },
  "too-large": { status: 413, type: "BadRequestException" },
  // TorchServe has no quotas, and so no word of its own for them
  "quota-exceeded": { status: 429, type: "TooManyRequestsException" },
  overloaded: { status: 503, type: "ServiceUnavailableException" },
  unavailable: { status: 503, type: "ServiceUnavailableException" },
  // TorchServe never answers then, which helps nobody
  "deadline-exceeded": { status: 504, type: "RequestTimeoutException" },
  cancelled: { status: 499, type: "BadRequestException" },
  // what a handler's exception is there
  "bad-backend": { status: 503, type: "InternalServerException" },
  internal: { status: 500, type: "InternalServerException" },
};

/** An error of a path that no route took. */
export function fail(error: unknown): WireReply {
  return reply(error, { kinds: { ...KINDS, unsupported: { status: 405, type: "MethodNotAllowedException" } } });
}

/** An error about a model: one that is not there has TorchServe's own words. */
export function failOf(model: ModelRef, planes: Planes): (error: unknown) => WireReply {
  return (error) => reply(error, asInferError(error).code === "not-found" ? { said: absent(model, planes) } : {});
}

/** A path that takes no such request here, as TorchServe answers where its model API is not enabled. */
export function notAllowed(message: string): WireReply {
  const reply = answer(405, { type: "MethodNotAllowedException", message });
  return { ...reply, headers: { ...reply.headers, "sluice-error-origin": "client" } };
}

/** A document, or its error's place. */
export function json(status: number, value: unknown): WireReply {
  const body = Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
  return { status, headers: { "content-type": "application/json", ...ANSWER_HEADERS }, body };
}

interface Said {
  readonly type: string;
  readonly message: string;
}

function absent({ name, select }: ModelRef, planes: Planes): Said {
  if (select.by !== "version" || !planes.data.models().includes(name)) {
    return { type: "ModelNotFoundException", message: `Model not found: ${name}` };
  }
  const message = `Model version: ${select.version} does not exist for model: ${name}`;
  return { type: "ModelVersionNotFoundException", message };
}

function reply(error: unknown, own: { readonly said?: Said; readonly kinds?: typeof KINDS }): WireReply {
  const fault = asInferError(error);
  const { said, kinds = KINDS } = own;
  const { status, type } = kinds[fault.code];
  const shaped = answer(status, said ?? { type, message: fault.message });
  const pause = fault.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(fault.retryAfterMs / 1000)) };
  return {
    ...shaped,
    headers: { ...shaped.headers, "sluice-error-origin": fault.origin, ...pause },
    about: { code: fault.code, origin: fault.origin, error: fault.message },
  };
}

function answer(status: number, { type, message }: Said): WireReply {
  return {
    status,
    headers: { "content-type": "application/json", ...ANSWER_HEADERS },
    body: encodeError({ code: status, type, message }),
  };
}
