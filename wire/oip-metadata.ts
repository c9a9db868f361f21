// The Open Inference Protocol's JSON bodies beside inference: metadata of servers and models, both ways, as plain
// values.

import { InferError } from "../core/error.ts";
import type { ModelMetadata, TensorSpec } from "../core/model.ts";
import type { ServerMetadata } from "../core/protocol.ts";
import { isDatatype } from "../core/tensor.ts";

/** The body of `GET /v2`. */
export function encodeServerMetadata(server: ServerMetadata, extensions: readonly string[]) {
  return { name: server.name, version: server.version, extensions };
}

/** The body of `GET /v2/models/{model}`. */
export function encodeModelMetadata(model: ModelMetadata) {
  const { name, versions, platform, inputs, outputs } = model;
  return { name, versions, platform, inputs: inputs.map(encodeSpec), outputs: outputs.map(encodeSpec) };
}

function encodeSpec({ name, datatype, shape }: TensorSpec) {
  return { name, datatype, shape };
}

/** What a server says of itself. */
export interface OipServerMetadata extends ServerMetadata {
  readonly extensions: readonly string[];
}

/** What a server says of a model. */
export type OipModelMetadata = Pick<ModelMetadata, "name" | "versions" | "platform" | "inputs" | "outputs">;

/** Reads the body of `GET /v2`. @throws InferError bad-backend for a body that is something else */
export function decodeServerMetadata(body: Uint8Array): OipServerMetadata {
  const server = parseObject(body);
  return {
    name: text(server, "name"),
    version: typeof server.version === "string" ? server.version : "",
    extensions: texts(server, "extensions"),
  };
}

/** Reads the body of `GET /v2/models/{model}`. @throws InferError bad-backend for a body that is something else */
export function decodeModelMetadata(body: Uint8Array): OipModelMetadata {
  const model = parseObject(body);
  return {
    name: text(model, "name"),
    versions: texts(model, "versions"),
    platform: typeof model.platform === "string" ? model.platform : "",
    inputs: list(model, "inputs").map((spec) => decodeSpec(spec, "input")),
    outputs: list(model, "outputs").map((spec) => decodeSpec(spec, "output")),
  };
}

/**
 * Reads the body of a health or ready answer: its flag `live` or `ready`; undefined when the body, as Triton's, says
 * nothing.
 */
export function decodeHealth(body: Uint8Array): boolean | undefined {
  if (body.byteLength === 0) return undefined;
  const { live, ready } = parseObject(body);
  const flag = ready ?? live;
  return typeof flag === "boolean" ? flag : undefined;
}

/** Reads the text of an error's body; undefined when it has none in the protocol's shape. */
export function decodeError(body: Uint8Array): string | undefined {
  try {
    const { error } = parseObject(body);
    return typeof error === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}

function decodeSpec(value: unknown, word: string): TensorSpec {
  if (!isObject(value)) throw wrong(`an object for each ${word}`, value);
  const name = text(value, "name");
  const datatype = text(value, "datatype");
  if (!isDatatype(datatype)) throw wrong(`a datatype for ${word} "${name}"`, datatype);
  const shape = list(value, "shape").map((size) => {
    // MLServer and others may write a dimension as a string
    const whole = typeof size === "string" ? Number(size) : size;
    if (typeof whole === "number" && Number.isSafeInteger(whole) && whole >= -1) return whole;
    throw wrong(`whole numbers of at least -1 in the shape of ${word} "${name}"`, size);
  });
  return { name, datatype, shape };
}

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseObject(body: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
  } catch (cause) {
    throw new InferError("bad-backend", "the backend's answer is not JSON", { cause });
  }
  if (isObject(value)) return value;
  throw wrong("an object", value);
}

function text(from: JsonObject, key: string): string {
  const value = from[key];
  if (typeof value === "string") return value;
  throw wrong(`a string as "${key}"`, value);
}

function list(from: JsonObject, key: string): readonly unknown[] {
  const value = from[key] ?? [];
  if (Array.isArray(value)) return value;
  throw wrong(`an array as "${key}"`, value);
}

function texts(from: JsonObject, key: string): readonly string[] {
  return list(from, key).map((item) => {
    if (typeof item === "string") return item;
    throw wrong(`strings in "${key}"`, item);
  });
}

function wrong(expected: string, got: unknown): InferError {
  const shown = got === undefined ? "nothing" : JSON.stringify(got).slice(0, 40);
  return new InferError("bad-backend", `the backend's answer: expected ${expected}, got ${shown}`);
}
