// What SageMaker's runtime API puts around a model's own bodies: errors, and the parts of a response stream.

import { InferError } from "../core/error.ts";
import { type EventFrame, encodeFrame } from "./event-stream.ts";

/** The errors of InvokeEndpoint and their statuses. Source: botocore, sagemaker-runtime/2017-05-13/service-2.json. */
export const ERROR_STATUS = {
  ValidationError: 400,
  // those that every service of AWS has (Smithy, "AWS common errors")
  AccessDeniedException: 403,
  InvalidSignatureException: 403,
  ModelError: 424,
  ModelNotReadyException: 429,
  // a common error too; the SDKs go by its name
  ThrottlingException: 429,
  InternalFailure: 500,
  ServiceUnavailable: 503,
  InternalDependencyException: 530,
} as const;

export type ErrorType = keyof typeof ERROR_STATUS;

/** An error of the runtime API, whatever its type. */
export interface RuntimeError {
  /** `ModelError`, `ThrottlingException` ...; empty where nothing tells it, as when a proxy answers. */
  readonly type: string;
  readonly message: string;
  /** What the model's container answered; only a ModelError has it. */
  readonly originalStatus?: number;
  readonly originalMessage?: string;
}

/**
 * The error in an answer: its type stands in `x-amzn-errortype` or in the body's `__type`, its message in `Message` or
 * `message`, all in JSON.
 */
export function decodeError(headers: ReadonlyMap<string, string>, body: Uint8Array): RuntimeError {
  const told = documentOf(body);
  const type = headers.get("x-amzn-errortype") ?? textOf(told.__type) ?? textOf(told.code) ?? "";
  const originalStatus = told.OriginalStatusCode;
  const originalMessage = textOf(told.OriginalMessage);
  return {
    // `ModelError:http://internal...`, `com.amazonaws...#ModelError`
    type: type.split(":", 1)[0]?.split("#").at(-1) ?? "",
    message: textOf(told.Message) ?? textOf(told.message) ?? "",
    ...(typeof originalStatus === "number" ? { originalStatus } : {}),
    ...(originalMessage === undefined ? {} : { originalMessage }),
  };
}

/** The answer for an error, typed in header and body, so that every SDK raises the right class. */
export function encodeError(
  type: ErrorType,
  error: Omit<RuntimeError, "type">,
): {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
} {
  const { message, originalStatus, originalMessage } = error;
  const told = {
    __type: type,
    Message: message,
    ...(originalStatus === undefined ? {} : { OriginalStatusCode: originalStatus }),
    ...(originalMessage === undefined ? {} : { OriginalMessage: originalMessage }),
  };
  return {
    status: ERROR_STATUS[type],
    headers: { "content-type": "application/json", "x-amzn-errortype": type },
    body: Buffer.from(JSON.stringify(told)),
  };
}

/** A part of a response stream: the model's bytes, or the error that ends it. */
export type StreamEvent =
  | { readonly kind: "part"; readonly bytes: Uint8Array }
  | { readonly kind: "error"; readonly type: string; readonly code: string; readonly message: string };

/** @throws InferError bad-backend for a frame that is neither */
export function decodeEvent({ headers, payload }: EventFrame): StreamEvent {
  const kind = headers.get(":message-type") ?? "event";
  if (kind === "error") {
    const code = headers.get(":error-code") ?? "";
    return { kind: "error", type: code, code, message: headers.get(":error-message") ?? "" };
  }
  if (kind === "exception") {
    const told = documentOf(payload);
    return {
      kind: "error",
      type: headers.get(":exception-type") ?? "",
      code: textOf(told.ErrorCode) ?? "",
      message: textOf(told.Message) ?? textOf(told.message) ?? "",
    };
  }
  const event = headers.get(":event-type") ?? "";
  if (kind === "event" && event === "PayloadPart") return { kind: "part", bytes: payload };
  throw new InferError("bad-backend", `the backend's event stream: expected a PayloadPart, got ${kind} ${event}`);
}

/** The frame of an event. A part of the model's own bytes has the shape that the service gives it. */
export function encodeEvent(event: StreamEvent): Uint8Array {
  if (event.kind === "part") {
    const headers = new Map([
      [":event-type", "PayloadPart"],
      [":content-type", "application/octet-stream"],
      [":message-type", "event"],
    ]);
    return encodeFrame({ headers, payload: event.bytes });
  }
  const headers = new Map([
    [":exception-type", event.type],
    [":content-type", "application/json"],
    [":message-type", "exception"],
  ]);
  const told = { Message: event.message, ...(event.code === "" ? {} : { ErrorCode: event.code }) };
  return encodeFrame({ headers, payload: Buffer.from(JSON.stringify(told)) });
}

function documentOf(body: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
