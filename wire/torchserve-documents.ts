// TorchServe's small documents: faults, health, and what its management port says of models.

import { InferError } from "../core/error.ts";

/** What TorchServe says went wrong. */
export interface TorchServeError {
  readonly code: number;
  /** `ModelNotFoundException`: tells apart what shares a status. */
  readonly type: string;
  readonly message: string;
}

/** The body of an error: pretty, with a newline behind it, as TorchServe writes it. */
export function encodeError(error: TorchServeError): Uint8Array {
  const { code, type, message } = error;
  return Buffer.from(`${JSON.stringify({ code, type, message }, undefined, 2)}\n`);
}

/** Reads the body of an error; undefined when it is not TorchServe's, such as the empty one of a 413. */
export function decodeError(body: Uint8Array): TorchServeError | undefined {
  const { code, type, message } = (parse(body) ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof code !== "number" || typeof type !== "string" || typeof message !== "string") return undefined;
  return { code, type, message };
}

/** The body of `GET /ping`. */
export function encodeHealth(healthy: boolean) {
  return { status: healthy ? "Healthy" : "Unhealthy" };
}

/** Reads the body of `GET /ping`, or the text of the gRPC Ping; undefined for anything else. */
export function decodeHealth(body: Uint8Array): boolean | undefined {
  const status = fieldOf(parse(body), "status");
  return typeof status === "string" ? status === "Healthy" : undefined;
}

/** The version in the OpenAPI document, which `OPTIONS /` answers with; undefined for anything else. */
export function decodeVersion(body: Uint8Array): string | undefined {
  const version = fieldOf(fieldOf(parse(body), "info"), "version");
  return typeof version === "string" ? version : undefined;
}

/** One page of the list of models. */
export interface ModelPage {
  readonly models: readonly string[];
  /** Where the next page begins. */
  readonly next?: string;
}

/** Reads the body of `GET /models` of the management port. @throws InferError bad-backend for another document */
export function decodeModels(body: Uint8Array): ModelPage {
  const page = parse(body);
  const models = fieldOf(page, "models");
  if (!Array.isArray(models)) throw unreadable("list of models");
  const next = fieldOf(page, "nextPageToken");
  const names = models.map((model) => text(model, "modelName"));
  return typeof next === "string" && next !== "" ? { models: names, next } : { models: names };
}

/** One version of a model, as the management port describes it. */
export interface ModelDescription {
  readonly name: string;
  readonly version: string;
  /** The states of its workers: READY, LOADING, UNLOADING. */
  readonly workers: readonly string[];
}

/** Reads the body of `GET /models/{model}[/all]`. @throws InferError bad-backend for another document */
export function decodeDescriptions(body: Uint8Array): readonly ModelDescription[] {
  const list = parse(body);
  if (!Array.isArray(list)) throw unreadable("description of a model");
  return list.map((model) => {
    const workers = fieldOf(model, "workers");
    return {
      name: text(model, "modelName"),
      version: text(model, "modelVersion"),
      workers: Array.isArray(workers) ? workers.map((worker) => String(fieldOf(worker, "status"))) : [],
    };
  });
}

function text(from: unknown, key: string): string {
  const value = fieldOf(from, key);
  if (typeof value === "string") return value;
  throw unreadable(`answer: expected a string as "${key}"`);
}

function fieldOf(from: unknown, key: string): unknown {
  return typeof from === "object" && from !== null ? (from as Readonly<Record<string, unknown>>)[key] : undefined;
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
  } catch {
    return undefined;
  }
}

function unreadable(what: string): InferError {
  return new InferError("bad-backend", `the backend's ${what} cannot be read`);
}
