// The kind `triton`: NVIDIA Triton Inference Server, over HTTP with the binary tensor extension or over gRPC.

import { externalKind } from "./external.ts";
import { openOipGrpc } from "./oip/grpc.ts";
import { openOipHttp } from "./oip/http.ts";
import { oipProtocol } from "./oip/words.ts";

/** Triton: `kind: triton`. Its decoupled models, and whatever else answers with a stream, need `protocol: grpc`. */
export const triton = externalKind({
  kind: "triton",
  words: {
    protocol: oipProtocol.describe("How it is spoken to: http, or grpc, which models that stream their answers need."),
  },
  connect: ({ protocol }, door) => (protocol === "grpc" ? openOipGrpc(door, "triton") : openOipHttp(door, "triton")),
});
