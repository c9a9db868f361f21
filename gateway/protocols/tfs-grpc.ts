// TensorFlow Serving's gRPC protocol: PredictionService and ModelService.

import { InferError } from "../../core/error.ts";
import type { Planes, Protocol, Route, WireRequest } from "../../core/protocol.ts";
import { DESCRIPTORS } from "./grpc-descriptors/tfs.ts";
import { grpcFail, grpcReply } from "./grpc-status.ts";
import { modelMetadata, modelStatus } from "./tfs-grpc/documents.ts";
import { classify, regress } from "./tfs-grpc/examples.ts";
import { multiInference } from "./tfs-grpc/multi.ts";
import { predict } from "./tfs-grpc/predict.ts";
import { NAME } from "./tfs-grpc/replies.ts";

const PREDICTION = "/tensorflow.serving.PredictionService";
const MODEL = "/tensorflow.serving.ModelService";

const route = (path: string, handle: Route["handle"]): Route => ({ method: "POST", path, handle });

export const tfsGrpc: Protocol = {
  name: NAME,
  listener: "grpc",
  prefixes: [PREDICTION, MODEL],
  descriptors: DESCRIPTORS,
  fail: (error) => grpcFail(error),
  routes: [
    route(`${PREDICTION}/Predict`, predict),
    route(`${PREDICTION}/Classify`, classify),
    route(`${PREDICTION}/Regress`, regress),
    route(`${PREDICTION}/MultiInference`, multiInference),
    route(`${PREDICTION}/GetModelMetadata`, unary(modelMetadata)),
    route(`${MODEL}/GetModelStatus`, unary(modelStatus)),
    route(`${MODEL}/HandleReloadConfigRequest`, unary(reload)),
  ],
};

function unary(answer: (wire: WireRequest, planes: Planes) => Promise<Uint8Array>): Route["handle"] {
  return async (wire, planes) => {
    try {
      return grpcReply(await answer(wire, planes));
    } catch (error) {
      return grpcFail(error);
    }
  };
}

async function reload(): Promise<never> {
  throw new InferError("unsupported", "HandleReloadConfigRequest: models come from this gateway's own config");
}
