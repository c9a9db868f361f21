// The messages of TorchServe's own gRPC service for predictions.

import { BYTES, INT32, mapOf, maybe, message, one, TEXT } from "./protobuf-table.ts";

/** Source: pytorch/serve frontend/server/src/main/resources/proto/inference.proto. */
export const SERVICE = "/org.pytorch.serve.grpc.inference.InferenceAPIsService";

/** PredictionsRequest: the default version when `version` is empty; `input` as a form's parts. */
export const predictionsRequest = message({
  model: one(1, TEXT),
  version: one(2, TEXT),
  input: mapOf(3, TEXT, BYTES),
  sequenceId: maybe(4, TEXT),
});

/** google.rpc.Status, which StreamPredictions2 answers faults with. */
const rpcStatus = message({ code: one(1, INT32), message: one(2, TEXT) });

/** PredictionResponse; `prediction` is a view of the message. */
export const predictionResponse = message({
  prediction: one(1, BYTES),
  sequenceId: maybe(2, TEXT),
  status: maybe(3, rpcStatus),
});

/** TorchServeHealthResponse: the JSON of `GET /ping` as a text. */
export const healthResponse = message({ health: one(1, TEXT) });
