// The kind `torchserve`: PyTorch's TorchServe, over HTTP or its own gRPC service, with each model's own kind of body.

import { InferError } from "../core/error.ts";
import type { ModelMetadata, ModelStatus } from "../core/model.ts";
import type { Connection, Door } from "./connection.ts";
import type { SharedWords } from "./external/words.ts";
import { externalKind } from "./external.ts";
import { grpcFault } from "./torchserve/faults.ts";
import { healthGrpc, inferGrpc } from "./torchserve/grpc.ts";
import { inferHttp, openHealth } from "./torchserve/http.ts";
import { managementUrl, openManagement } from "./torchserve/management.ts";
import { MADE_UP, type Versions } from "./torchserve/plan.ts";
import { type TorchServeWords, torchServeModelWords, torchServeWords } from "./torchserve/words.ts";

/** How one TorchServe is spoken to. */
export const torchServeServer = {
  kind: "torchserve",
  words: torchServeWords,
  modelWords: torchServeModelWords,
  connect,
};

/** TorchServe: `kind: torchserve`. Signatures are declared, since it tells none; else answers are payloads. */
export const torchserve = externalKind(torchServeServer);

type Words = TorchServeWords & { readonly shared: Pick<SharedWords, "limits"> };

function connect(words: Words, door: Door): Connection {
  const { management: port } = words;
  const management = port === undefined ? undefined : openManagement(words, door, managementUrl(port, door.url));
  const versions: Versions = { of: (model) => management?.versions(model) ?? words.models[model]?.versions };
  const calls = callsOf(words, door, versions);
  return {
    infer: calls.infer,
    // its workers finish a job whose client has left. Source: protocols.md 16
    runsOn: true,
    health: calls.health,
    models: (wanted, signal) => management?.models(wanted, signal) ?? Promise.resolve(believed(words, wanted)),
    metadata: (model) => Promise.reject<ModelMetadata>(untold(model.name)),
    ...(management === undefined ? {} : { control: management.control }),
    async close() {
      await Promise.all([calls.close(), management?.close()]);
    },
  };
}

function callsOf(words: Words, door: Door, versions: Versions): Pick<Connection, "infer" | "health" | "close"> {
  if (words.protocol === "grpc") {
    const asked = { words, door, versions, client: door.grpc({ faultOf: grpcFault }) };
    return {
      infer: (request, call) => inferGrpc(asked, request, call),
      health: (signal) => healthGrpc(asked, signal),
      close: () => asked.client.close(),
    };
  }
  const asked = { words, door, versions, client: door.http(), maxAnswerBytes: words.shared.limits.answer };
  return {
    infer: (request, call) => inferHttp(asked, request, call),
    health: openHealth(asked),
    close: () => asked.client.close(),
  };
}

/** Without the management port nobody tells: models that somebody names are there, and ready. */
function believed({ models }: Words, wanted: readonly string[]): readonly ModelStatus[] {
  return [...new Set([...Object.keys(models), ...wanted])].flatMap((name) =>
    (models[name]?.versions ?? [MADE_UP]).map((version) => ({ name, version, state: "ready" as const })),
  );
}

function untold(model: string): InferError {
  return new InferError("unsupported", `TorchServe does not tell the signature of model "${model}": declare it`);
}
