// Triton's repository as both fronts ask for it: a model's config, loading with what the request brings, unloading.

import type { LoadOptions } from "../../../core/backend.ts";
import { InferError, invalid } from "../../../core/error.ts";
import type { Planes } from "../../../core/protocol.ts";

export interface ConfigAsk {
  readonly name: string;
  /** The newest ready one when absent or empty. */
  readonly version: string | undefined;
  readonly signal: AbortSignal;
}

/** @throws InferError not-found for a model or version that is not there */
export async function configOf(planes: Planes, { name, version, signal }: ConfigAsk): Promise<unknown> {
  const { config } = planes.control;
  if (config === undefined) throw new InferError("unsupported", "this gateway tells no configs of models");
  return config(version === undefined || version === "" ? { name } : { name, version }, signal);
}

/** Where files of a request to load stand. Source: Triton, extension_model_repository.md. */
const FILE = "file:";

/**
 * What a request to load brings.
 *
 * @param bytes reads a file's content: base64 in JSON, bytes in gRPC
 * @throws InferError invalid-argument for a parameter that nobody knows, or a value of the wrong kind
 */
export function loadOptions(
  parameters: Iterable<readonly [string, unknown]>,
  bytes: (value: unknown) => Uint8Array | undefined,
): LoadOptions | undefined {
  const files = new Map<string, Uint8Array>();
  let config: string | undefined;
  for (const [key, value] of parameters) {
    if (key === "config") {
      if (typeof value !== "string") throw invalid(`parameter "config": expected JSON as text`);
      config = value;
      continue;
    }
    const content = key.startsWith(FILE) ? bytes(value) : undefined;
    if (content === undefined)
      throw invalid(`parameter ${JSON.stringify(key.slice(0, 80))}: expected config, or file:<path> with its content`);
    files.set(key.slice(FILE.length), content);
  }
  if (config === undefined && files.size === 0) return undefined;
  return { files, ...(config === undefined ? {} : { config }) };
}
