// Every kind of backend, as a literal list: a new one is its own file and a line here.

import type { BackendKind } from "../core/backend.ts";
import { bentoml } from "./bentoml.ts";
import { http } from "./http.ts";
import { kserveV1 } from "./kserve-v1.ts";
import { litserve } from "./litserve.ts";
import { oip } from "./oip.ts";
import { onnx } from "./onnx/onnx.ts";
import { sagemaker } from "./sagemaker.ts";
import { tfServing } from "./tf-serving.ts";
import { torchserve } from "./torchserve.ts";
import { triton } from "./triton.ts";

/** The kinds that a config may name. */
export const backendKinds: readonly BackendKind[] = [
  onnx as BackendKind,
  triton,
  oip,
  torchserve,
  kserveV1,
  tfServing,
  bentoml,
  litserve,
  sagemaker,
  http,
];
