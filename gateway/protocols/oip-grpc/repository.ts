// Triton's repository over gRPC: which models there are, and loading and unloading them where their backend can.

import type { ControlPlane } from "../../../core/backend.ts";
import { InferError, invalid } from "../../../core/error.ts";
import type { ModelState } from "../../../core/event.ts";
import type { Planes, WireRequest } from "../../../core/protocol.ts";
import { decodeRepositoryRequest, INDEX, INDEX_REQUEST, REPOSITORY_ANSWER } from "../../../wire/oip-proto-service.ts";
import { messageOf } from "../grpc-status.ts";
import { loadOptions } from "../triton/repository.ts";

/** Triton's words. Source: Triton, docs/protocol/extension_model_repository.md. */
const STATES: Record<ModelState, string> = {
  loading: "LOADING",
  ready: "READY",
  unloading: "UNLOADING",
  unavailable: "UNAVAILABLE",
};

export async function repositoryIndex(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  const { repository_name, ready } = INDEX_REQUEST.decode(messageOf(wire));
  refuseRepository(repository_name);
  const models = (await planes.control.list?.(wire.signal)) ?? [];
  const wanted = ready ? models.filter(({ state }) => state === "ready") : models;
  return INDEX.encode({
    models: wanted.map(({ name, version, state, reason = "" }) => ({ name, version, state: STATES[state], reason })),
  });
}

/** @throws InferError unsupported where no backend can load models */
export function loadModel(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  return controlled(wire, { word: "load", act: planes.control.load?.bind(planes.control) });
}

/** @throws InferError unsupported where no backend can unload models */
export function unloadModel(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  return controlled(wire, { word: "unload", act: planes.control.unload?.bind(planes.control) });
}

interface Control {
  readonly word: string;
  readonly act: ControlPlane["load"];
}

/** KServe's answer names the model and says that it is done; to Triton's clients the answer has no fields. */
async function controlled(wire: WireRequest, { word, act }: Control): Promise<Uint8Array> {
  const { model_name, repository_name, parameters } = decodeRepositoryRequest(messageOf(wire));
  refuseRepository(repository_name);
  if (model_name === "") throw invalid(`expected the name of a model to ${word}, got none`);
  if (act === undefined) throw new InferError("unsupported", `no backend of this gateway can ${word} models`);
  await act(model_name, wire.signal, word === "load" ? optionsOf(parameters) : undefined);
  return REPOSITORY_ANSWER.encode({ model_name, done: true });
}

/** Over gRPC a file's content is bytes, the config a text. */
function optionsOf(parameters: ReturnType<typeof decodeRepositoryRequest>["parameters"]) {
  const values = [...parameters].map(([key, value]) => [key, value.string_param ?? value.bytes_param] as const);
  return loadOptions(values, (value) => (value instanceof Uint8Array ? value : undefined));
}

function refuseRepository(name: string): void {
  if (name !== "") throw new InferError("unsupported", `expected no name of a repository, got ${JSON.stringify(name)}`);
}
