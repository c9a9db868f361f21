// What an operator may do with the models of a server of the Open Inference Protocol over gRPC.

import type { BackendModel, ControlPlane, LoadOptions } from "../../core/backend.ts";
import {
  decodeAnswer,
  KSERVE_REPOSITORY_REQUEST,
  MODEL_NAME,
  REPOSITORY_REQUEST,
  STATISTICS,
} from "../../wire/oip-proto-service.ts";
import { plain, type ValueOf } from "../../wire/protobuf-table.ts";
import type { OipGrpcLink } from "./grpc-link.ts";
import { readConfig, readModels, wireName } from "./grpc-models.ts";

/** Gives what the server can do, as far as its ways are known at the time. */
export function openOipGrpcControl(link: OipGrpcLink): () => ControlPlane {
  const change = (method: string) => async (model: string, signal: AbortSignal, options?: LoadOptions) => {
    const message =
      link.quirks.repository === "kserve"
        ? KSERVE_REPOSITORY_REQUEST.encode({ model_name: model })
        : REPOSITORY_REQUEST.encode({ model_name: model, parameters: parametersOf(options) });
    await link.ask(method, message, { signal });
  };
  const list = (signal: AbortSignal) => readModels(link, [], signal);
  const load = change("RepositoryModelLoad");
  const unload = change("RepositoryModelUnload");
  const config = async (model: BackendModel, signal: AbortSignal) => plain(await readConfig(link, model, signal));
  const statistics = async (model: BackendModel, signal: AbortSignal) => {
    const bytes = await link.ask("ModelStatistics", MODEL_NAME.encode(wireName(link, model)), { signal });
    return plain(decodeAnswer(STATISTICS, bytes));
  };
  return () => ({
    ...(link.quirks.index ? { list } : {}),
    ...(link.quirks.repository === "none" ? {} : { load, unload }),
    ...(link.quirks.config ? { config, statistics } : {}),
  });
}

function parametersOf(options: LoadOptions | undefined) {
  const parameters = new Map<string, RepositoryParameter>();
  if (options?.config !== undefined) parameters.set("config", { ...NO_VALUE, string_param: options.config });
  for (const [path, bytes] of options?.files ?? []) parameters.set(`file:${path}`, { ...NO_VALUE, bytes_param: bytes });
  return parameters;
}

type RepositoryParameter =
  ValueOf<typeof REPOSITORY_REQUEST>["parameters"] extends ReadonlyMap<string, infer V> ? V : never;

const NO_VALUE: RepositoryParameter = {
  bool_param: undefined,
  int64_param: undefined,
  string_param: undefined,
  bytes_param: undefined,
};
