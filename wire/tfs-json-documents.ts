// What TensorFlow Serving tells over REST of its models: signatures and states, both ways.

import { InferError } from "../core/error.ts";
import { datatypeOfWord } from "./tfs-datatypes.ts";
import type { TfsMetadata, TfsSignature, TfsTensorInfo, TfsVersionStatus } from "./tfs-signatures.ts";

/** The body of `GET /v1/models/{model}`. */
export function encodeStatus(versions: readonly TfsVersionStatus[]) {
  return {
    model_version_status: versions.map(({ version, state, message }) => ({
      version,
      state,
      status: { error_code: message === "" ? "OK" : "UNKNOWN", error_message: message },
    })),
  };
}

/** Reads the body of `GET /v1/models/{model}`. @throws InferError bad-backend for a body that is something else */
export function decodeStatus(body: Uint8Array): readonly TfsVersionStatus[] {
  const { model_version_status: versions } = parse(body);
  if (!Array.isArray(versions)) throw wrong("a list as model_version_status", versions);
  return versions.map((version: unknown) => {
    const { version: number, state, status } = objectOf(version, "an object for each version");
    if (typeof number !== "string" && typeof number !== "number") throw wrong("a version", number);
    const message = isObject(status) && typeof status.error_message === "string" ? status.error_message : "";
    return { version: String(number), state: typeof state === "string" ? state : "UNKNOWN", message };
  });
}

/** The body of `GET /v1/models/{model}/metadata`. */
export function encodeMetadata({ name, version, signatures }: TfsMetadata) {
  const infos = (of: readonly TfsTensorInfo[]) => Object.fromEntries(of.map((info) => [info.name, wireInfo(info)]));
  const wire = [...signatures].map(([key, { inputs, outputs, method }]) => {
    return [key, { inputs: infos(inputs), outputs: infos(outputs), method_name: method, defaults: {} }];
  });
  return {
    model_spec: { name, signature_name: "", version },
    metadata: { signature_def: { signature_def: Object.fromEntries(wire) } },
  };
}

function wireInfo({ name, dtype, shape }: TfsTensorInfo) {
  return {
    dtype,
    tensor_shape: {
      dim: (shape ?? []).map((size) => ({ size: String(size), name: "" })),
      unknown_rank: shape === undefined,
    },
    name: `${name}:0`,
  };
}

/**
 * Reads the body of `GET /v1/models/{model}/metadata`.
 *
 * @throws InferError bad-backend for a body that is something else
 */
export function decodeMetadata(body: Uint8Array): TfsMetadata {
  const document = parse(body);
  const spec = isObject(document.model_spec) ? document.model_spec : {};
  const metadata = objectOf(document.metadata, "an object as metadata");
  const outer = objectOf(metadata.signature_def, "an object as signature_def");
  const signatures = objectOf(outer.signature_def ?? {}, "an object of signatures");
  return {
    name: typeof spec.name === "string" ? spec.name : "",
    version: typeof spec.version === "string" ? spec.version : "",
    signatures: new Map(Object.entries(signatures).map(([name, value]) => [name, readSignature(value)])),
  };
}

function readSignature(value: unknown): TfsSignature {
  const { inputs, outputs, method_name: method } = objectOf(value, "an object for each signature");
  return { inputs: readInfos(inputs), outputs: readInfos(outputs), method: typeof method === "string" ? method : "" };
}

function readInfos(value: unknown): readonly TfsTensorInfo[] {
  return Object.entries(objectOf(value ?? {}, "an object of tensors")).map(([name, info]) => {
    const { dtype, tensor_shape: shape } = objectOf(info, "an object for each tensor");
    const word = typeof dtype === "string" ? dtype : "DT_INVALID";
    return { name, datatype: datatypeOfWord(word), dtype: word, shape: readShape(shape) };
  });
}

function readShape(value: unknown): readonly number[] | undefined {
  if (!isObject(value) || value.unknown_rank === true) return undefined;
  const { dim = [] } = value;
  if (!Array.isArray(dim)) throw wrong("a list of dimensions", dim);
  return dim.map((one: unknown) => {
    const size = isObject(one) ? Number(one.size ?? 0) : Number.NaN;
    if (Number.isSafeInteger(size) && size >= -1) return size;
    throw wrong("dimensions of at least -1", one);
  });
}

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objectOf(value: unknown, expected: string): JsonObject {
  if (isObject(value)) return value;
  throw wrong(expected, value);
}

function parse(body: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
  } catch (cause) {
    throw new InferError("bad-backend", "the backend's answer is not JSON", { cause });
  }
  return objectOf(value, "an object");
}

function wrong(expected: string, got: unknown): InferError {
  const shown = got === undefined ? "nothing" : JSON.stringify(got).slice(0, 40);
  return new InferError("bad-backend", `the backend's answer: expected ${expected}, got ${shown}`);
}
