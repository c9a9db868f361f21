// What is told of a local model that is ready.

import type { ModelMetadata } from "../../core/model.ts";
import type { ModelRef } from "../../core/request.ts";
import type { Shelf } from "./shelf.ts";

/** @throws InferError not-found for what is not there, unavailable for what is not ready */
export function metadataOf(shelf: Shelf, ref: ModelRef): ModelMetadata {
  const { version, artifact } = shelf.resolve(ref);
  const { batchDim, inputs, outputs } = artifact.signature;
  return {
    name: version.model,
    version: version.version,
    versions: shelf.catalog.ready(version.model) ?? [],
    platform: "onnxruntime_onnx",
    inputs,
    outputs,
    ...(batchDim === undefined ? {} : { batchDim }),
    stateful: false,
    artifact: artifact.hash,
  };
}
