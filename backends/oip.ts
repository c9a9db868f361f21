// The kind `oip`: any server of the Open Inference Protocol (KServe, MLServer, OpenVINO Model Server, TorchServe), over HTTP or gRPC.

import { z } from "zod";
import { externalKind } from "./external.ts";
import { openOipGrpc } from "./oip/grpc.ts";
import { openOipHttp } from "./oip/http.ts";
import { OIP_DIALECTS } from "./oip/quirks.ts";
import { oipProtocol } from "./oip/words.ts";

/**
 * Any server of the Open Inference Protocol: `kind: oip`. What it does in its own way follows from what it says of itself
 * each time that its health is asked for.
 */
export const oip = externalKind({
  kind: "oip",
  words: {
    protocol: oipProtocol.describe("How it is spoken to: http or grpc."),
    dialect: z
      .enum(OIP_DIALECTS)
      .default("auto")
      .describe("Whose ways it has: found out by default. With plain nothing is taken for granted."),
  },
  connect: ({ protocol, dialect }, door) =>
    protocol === "grpc" ? openOipGrpc(door, dialect) : openOipHttp(door, dialect),
});
