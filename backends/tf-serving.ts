// The kind `tf-serving`: TensorFlow Serving, or what speaks its protocol, over REST or gRPC.

import { z } from "zod";
import type { Connection, Door } from "./connection.ts";
import { externalKind } from "./external.ts";
import { openTfsGrpc } from "./tf-serving/grpc.ts";
import { openTfsRest } from "./tf-serving/rest.ts";
import type { TfsModelWords, TfsWords } from "./tf-serving/words.ts";

const format = z
  .enum(["column", "row"])
  .describe("The JSON of :predict over REST: column (inputs, outputs) or row (instances, predictions).");

const words = {
  protocol: z
    .enum(["rest", "grpc"])
    .default("rest")
    .describe("How it is spoken to: rest, or grpc, which carries every datatype and each double exactly."),
  format: format.default("column"),
};

const modelWords = {
  signatureName: z
    .string()
    .min(1)
    .optional()
    .describe("The signature that is meant when a request names none; serving_default when absent."),
  format: format.optional(),
};

/** How one server is spoken to. */
export const tfServingServer = { kind: "tf-serving", words, modelWords, signatures: true, connect };

/** TensorFlow Serving: `kind: tf-serving`. */
export const tfServing = externalKind(tfServingServer);

interface Words extends Omit<TfsWords, "models"> {
  readonly protocol: "rest" | "grpc";
  readonly models: Readonly<Record<string, TfsModelWords>>;
}

function connect(given: Words, door: Door): Connection {
  return given.protocol === "grpc" ? openTfsGrpc(given, door) : openTfsRest(given, door);
}
