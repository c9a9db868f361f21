// Every kind of backend, as a literal list: a new one is its own file and a line here.

import type { BackendKind } from "../core/backend.ts";
import { onnx } from "./onnx/onnx.ts";

/** The kinds that a config may name. */
export const backendKinds: readonly BackendKind[] = [onnx as BackendKind];

/** Words that the config language has and this release does not: refused with "not yet". */
export const plannedBackendKinds: readonly string[] = [
  "triton",
  "oip",
  "tf-serving",
  "torchserve",
  "kserve-v1",
  "bentoml",
  "litserve",
  "sagemaker",
  "http",
];
