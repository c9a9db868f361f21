// Every kind of backend, as a literal list: a new one is its own file and a line here.

import type { BackendKind } from "../core/backend.ts";
import { oip } from "./oip.ts";
import { onnx } from "./onnx/onnx.ts";
import { triton } from "./triton.ts";

/** The kinds that a config may name. */
export const backendKinds: readonly BackendKind[] = [onnx as BackendKind, triton, oip];

/** Words that the config language has and this release does not: refused with "not yet". */
export const plannedBackendKinds: readonly string[] = [
  "tf-serving",
  "torchserve",
  "kserve-v1",
  "bentoml",
  "litserve",
  "sagemaker",
  "http",
];
