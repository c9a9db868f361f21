// What the config says of a TensorFlow Serving backend and of its models.

import type { InferRequest } from "../../core/request.ts";
import { DEFAULT_SIGNATURE } from "../../wire/tfs-signatures.ts";

/** What is said of one model. */
export interface TfsModelWords {
  readonly signatureName?: string | undefined;
  readonly format?: "column" | "row" | undefined;
}

export interface TfsWords {
  readonly format: "column" | "row";
  readonly models: Readonly<Record<string, TfsModelWords>>;
}

/** The signature that is meant when nobody names one. */
export function usualSignature({ models }: TfsWords, model: string): string {
  return models[model]?.signatureName ?? DEFAULT_SIGNATURE;
}

/**
 * The signature that goes on the wire; absent for the server's own default, so that its answers are those of a client
 * that names none.
 */
export function signatureSent({ models }: TfsWords, { model, signature }: InferRequest): string | undefined {
  return signature ?? models[model.name]?.signatureName;
}

/** The JSON that the model is asked in. */
export function formatOf({ format, models }: TfsWords, model: string): "column" | "row" {
  return models[model]?.format ?? format;
}
