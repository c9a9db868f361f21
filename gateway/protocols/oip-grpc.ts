// The Open Inference Protocol (KServe v2) over gRPC, with Triton's streams, statistics and repository.

import type { Planes, Protocol, Route, WireReply, WireRequest } from "../../core/protocol.ts";
import { OIP_SERVICE } from "../../wire/oip-proto-service.ts";
import { DESCRIPTORS } from "./grpc-descriptors/oip.ts";
import { grpcFail, grpcReply } from "./grpc-status.ts";
import { infer } from "./oip-grpc/infer.ts";
import { modelMetadata, modelReady, serverLive, serverMetadata, serverReady } from "./oip-grpc/metadata.ts";
import { loadModel, repositoryIndex, unloadModel } from "./oip-grpc/repository.ts";
import { streamInfer } from "./oip-grpc/stream.ts";
import { tritonCalls } from "./triton/grpc.ts";

/** Answers a call of one message with one message. */
type Answering = (wire: WireRequest, planes: Planes) => Promise<Uint8Array>;

const route = (method: string, handle: Route["handle"]): Route => ({
  method: "POST",
  path: `/${OIP_SERVICE}/${method}`,
  handle,
});

const unary = (method: string, answer: Answering): Route =>
  route(method, async (wire, planes): Promise<WireReply> => {
    try {
      return grpcReply(await answer(wire, planes));
    } catch (error) {
      return grpcFail(error);
    }
  });

export const oipGrpc: Protocol = {
  name: "oip-grpc",
  listener: "grpc",
  prefixes: [`/${OIP_SERVICE}`],
  descriptors: DESCRIPTORS,
  fail: (error) => grpcFail(error),
  routes: [
    unary("ServerLive", serverLive),
    unary("ServerReady", serverReady),
    unary("ModelReady", modelReady),
    unary("ServerMetadata", serverMetadata),
    unary("ModelMetadata", modelMetadata),
    route("ModelInfer", infer),
    { ...route("ModelStreamInfer", streamInfer), body: "stream" },
    unary("RepositoryIndex", repositoryIndex),
    unary("RepositoryModelLoad", loadModel),
    unary("RepositoryModelUnload", unloadModel),
    ...tritonCalls.map(([method, answer]) => unary(method, answer)),
  ],
};
