// Every front protocol, as a literal list: a new one is a file beside this one and a line here.

import type { Protocol } from "../../core/protocol.ts";
import { grpcHealth } from "./grpc-health.ts";
import { grpcReflection } from "./grpc-reflection.ts";
import { kserveV1 } from "./kserve-v1.ts";
import { oipGrpc } from "./oip-grpc.ts";
import { oipRest } from "./oip-rest.ts";
import { openApi } from "./openapi.ts";
import { sagemaker } from "./sagemaker.ts";
import { sagemakerContainer } from "./sagemaker-container.ts";
import { tfsGrpc } from "./tfs-grpc.ts";
import { tfsRest } from "./tfs-rest.ts";
import { torchserve } from "./torchserve.ts";
import { torchserveGrpc } from "./torchserve-grpc.ts";
import { v1Models } from "./v1-models.ts";

const served: readonly Protocol[] = [
  oipRest,
  oipGrpc,
  v1Models,
  tfsRest,
  tfsGrpc,
  kserveV1,
  torchserve,
  torchserveGrpc,
  sagemaker,
  sagemakerContainer,
];

const health = grpcHealth(served);

/** With gRPC's own two services and the OpenAPI document, which tell about the others. */
export const protocols: readonly Protocol[] = [...served, health, grpcReflection([...served, health]), openApi(served)];
