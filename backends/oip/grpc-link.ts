// What the parts of a connection to one server of the Open Inference Protocol over gRPC share.

import { InferError } from "../../core/error.ts";
import type { Door, GrpcClient, Waiting } from "../connection.ts";
import type { OipGrpcQuirks } from "./grpc-quirks.ts";
import type { Ids } from "./ids.ts";

/** One connection: its client, and what is known of the server. */
export interface OipGrpcLink {
  readonly door: Door;
  readonly client: GrpcClient;
  /** The server's ways, as far as they are known now. */
  quirks: OipGrpcQuirks;
  /** Models without versions, to which `models` gave the version "1". */
  readonly unversioned: Set<string>;
  readonly ids: Ids;
  /** Asks for one small message. */
  ask(method: string, message: Uint8Array, waiting: Waiting): Promise<Uint8Array>;
}

/**
 * The version to name on the wire; undefined where the server or the model has none.
 *
 * @throws InferError not-found for any version but "1" of a server without versions, which would answer with what it has
 */
export function versionThere(
  link: OipGrpcLink,
  model: { readonly name: string; readonly version?: string },
): string | undefined {
  if (!link.quirks.versions) {
    if (model.version === undefined || model.version === "1") return undefined;
    throw new InferError(
      "not-found",
      `model "${model.name}" has no version ${model.version}: the server has no versions`,
    );
  }
  if (model.version === "1" && link.unversioned.has(model.name)) return undefined;
  return model.version;
}
