// Errors in TensorFlow Serving's own words, where its clients may look for them.

import { asInferError, InferError } from "../../../core/error.ts";
import type { ModelRef } from "../../../core/request.ts";

/** Where a stream goes that this protocol has no room for. */
export const STREAMS = "the Open Inference Protocol over gRPC carries it";

/**
 * The error in TensorFlow Serving's words. A label that no version has is a mistake in the request to it, a model or version
 * that is not there is not found.
 */
export function inWords(error: unknown, model: ModelRef | undefined): InferError {
  const fault = asInferError(error);
  if (fault.code !== "not-found" || model === undefined) return fault;
  const { name, select } = model;
  const details = { origin: fault.origin, cause: fault.cause };
  if (select.by === "label") {
    return new InferError("invalid-argument", `Unrecognized servable version label: ${select.label}`, details);
  }
  const wanted = select.by === "version" ? `Specific(${name}, ${select.version})` : `Latest(${name})`;
  return new InferError("not-found", `Servable not found for request: ${wanted}`, details);
}

/** What a status says of a model, or a version of it, that is not there. */
export function noStatus(model: ModelRef): InferError {
  const { name, select } = model;
  const which = select.by === "version" ? `version ${select.version}` : "any versions";
  return new InferError("not-found", `Could not find ${which} of model ${name}`);
}
