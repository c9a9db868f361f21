// What is told of a local model that is ready.

import type { Identity, ModelMetadata } from "../../core/model.ts";
import type { ModelRef } from "../../core/request.ts";
import type { Shelf } from "./shelf.ts";
import type { BatchWish } from "./triton-batch.ts";

/** @throws InferError not-found for what is not there, unavailable for what is not ready */
export function metadataOf(shelf: Shelf, ref: ModelRef): ModelMetadata {
  const { version, artifact } = shelf.resolve(ref);
  const { batchDim, inputs, outputs, random } = artifact.signature;
  return {
    name: version.model,
    version: version.version,
    versions: shelf.catalog.ready(version.model) ?? [],
    platform: "onnxruntime_onnx",
    inputs,
    outputs,
    ...(batchDim === undefined ? {} : { batchDim }),
    stateful: false,
    ...(random === undefined ? {} : { random }),
    artifact: artifact.hash,
  };
}

/** What the version's config.pbtxt asks of the gateway's batching; undefined for one that is not ready. */
export function batchWishOf(shelf: Shelf, ref: ModelRef): BatchWish | undefined {
  try {
    return shelf.resolve(ref).artifact.signature.batch;
  } catch {
    return undefined;
  }
}

/** What the version is made of; undefined for one that is not ready. */
export function identityOf(shelf: Shelf, ref: ModelRef): Identity | undefined {
  try {
    return shelf.resolve(ref).artifact.identity;
  } catch {
    return undefined;
  }
}
