// The small documents of KServe's V1 protocol: which models there are, whether one is ready, what went wrong.

import { InferError } from "../core/error.ts";

/** The body of `GET /v1/models`. */
export function encodeModels(names: readonly string[]) {
  return { models: names };
}

/** @throws InferError bad-backend for anything but `{"models": ["a", ...]}` */
export function decodeModels(body: Uint8Array): readonly string[] {
  const models = parse(body)?.models;
  if (Array.isArray(models) && models.every((name) => typeof name === "string")) return models;
  throw new InferError("bad-backend", "the backend's list of models cannot be read: expected {models: [name, ...]}");
}

/** The body of `GET /v1/models/{name}`. */
export function encodeReady(name: string, ready: boolean) {
  return { name, ready };
}

/** Whether the model is ready; undefined for another document. Older servers write `"True"` and `"true"`. */
export function decodeReady(body: Uint8Array): boolean | undefined {
  const ready = parse(body)?.ready;
  if (typeof ready === "boolean") return ready;
  return typeof ready === "string" && /^(true|false)$/i.test(ready) ? /^true$/i.test(ready) : undefined;
}

/** The body of an error. */
export function encodeError(message: string) {
  return { error: message };
}

function parse(body: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
