// Recognises a server over gRPC by the services that it has: metadata, pings and states only.

import type { Env } from "../../core/env.ts";
import { asInferError, type InferError } from "../../core/error.ts";
import {
  decodeAnswer,
  NOTHING,
  OIP_SERVICE,
  SERVER_METADATA,
  TORCHSERVE_SERVICE,
} from "../../wire/oip-proto-service.ts";
import { SERVICE as TORCHSERVE } from "../../wire/torchserve-proto.ts";
import type { GrpcClient } from "../connection.ts";
import type { GrpcClientOptions } from "../grpc-client.ts";
import type { Detected, Undetected } from "./detected.ts";

/** How the client of a server is opened. */
export type OpenGrpc = (options: Pick<GrpcClientOptions, "faultOf">) => GrpcClient;

const TFS_STATUS = "/tensorflow.serving.ModelService/GetModelStatus";
const UNIMPLEMENTED = 12;
const UNAUTHENTICATED = 16;
const PERMISSION_DENIED = 7;

/**
 * Asks until a service is found: at most four calls.
 *
 * @throws InferError unavailable when nothing answers
 */
export async function detectGrpc(
  open: OpenGrpc,
  asking: { readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal; readonly env: Env },
): Promise<Detected | Undetected> {
  const { headers, signal } = asking;
  let code = 0;
  const client = open({
    faultOf(status) {
      code = status.code;
      return undefined;
    },
  });
  const ask = async (path: string): Promise<Uint8Array | InferError> => {
    code = 0;
    try {
      return await client.unary({ path, headers }, NOTHING.encode({}), { signal });
    } catch (error) {
      const fault = asInferError(error);
      // a status is an answer, no connection is none
      if (code === 0) throw fault;
      return fault;
    }
  };
  try {
    const told = await ask(`/${OIP_SERVICE}/ServerMetadata`);
    if (told instanceof Uint8Array) return openInference(told);
    if (code === UNAUTHENTICATED || code === PERMISSION_DENIED) return { why: "refused", said: told.message };
    if (code !== UNIMPLEMENTED) return { ...OIP, server: "", notes: [`does not tell its name: ${told.message}`] };
    if ((await ask(`${TORCHSERVE}/Ping`)) instanceof Uint8Array) return TORCHSERVE_GRPC;
    if ((await ask(`/${TORCHSERVE_SERVICE}/ServerReady`)) instanceof Uint8Array) {
      return { ...OIP, server: "torchserve", notes: ["speaks the Open Inference Protocol under a name of its own"] };
    }
    // an empty request is refused by a server that knows the method
    await ask(TFS_STATUS);
    if (code !== UNIMPLEMENTED) {
      return { kind: "tf-serving", transport: "grpc", words: { protocol: "grpc" }, server: "tf-serving", notes: [] };
    }
    return { why: "unknown", said: "it speaks gRPC, and has none of the services by which a kind is known" };
  } catch (error) {
    const fault = asInferError(error);
    if (fault.code === "bad-backend") return { why: "foreign", said: fault.message };
    throw fault;
  } finally {
    await client.close();
  }
}

const OIP = { kind: "oip", transport: "grpc", words: { protocol: "grpc" } } as const;
const TORCHSERVE_GRPC: Detected = {
  kind: "torchserve",
  transport: "grpc",
  words: { protocol: "grpc" },
  server: "torchserve",
  notes: ["tells versions and readiness of models on its management port only: management: 8081"],
};

function openInference(bytes: Uint8Array): Detected {
  const { name, version, extensions } = decodeAnswer(SERVER_METADATA, bytes);
  const kind = /triton/i.test(name) ? "triton" : "oip";
  return { ...OIP, kind, server: `${name} ${version}`.trim(), extensions, notes: [] };
}
