// Every kind of backend, as a literal list: a new one is its own file and a line here.

import type { BackendKind } from "../core/backend.ts";
import { kserveV1 } from "./kserve-v1.ts";
import { oip } from "./oip.ts";
import { onnx } from "./onnx/onnx.ts";
import { tfServing } from "./tf-serving.ts";
import { torchserve } from "./torchserve.ts";
import { triton } from "./triton.ts";

/** The kinds that a config may name. */
export const backendKinds: readonly BackendKind[] = [onnx as BackendKind, triton, oip, torchserve, kserveV1, tfServing];

/** Words that the config language has and this release does not: refused with "not yet". */
export const plannedBackendKinds: readonly string[] = ["bentoml", "litserve", "sagemaker", "http"];
