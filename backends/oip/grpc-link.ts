// What the parts of a connection to one server of the Open Inference Protocol over gRPC share.

import type { Door, GrpcClient, Waiting } from "../connection.ts";
import type { OipGrpcQuirks } from "./grpc-quirks.ts";

/** One connection: its client, and what is known of the server. */
export interface OipGrpcLink {
  readonly door: Door;
  readonly client: GrpcClient;
  /** The server's ways, as far as they are known now. */
  quirks: OipGrpcQuirks;
  /** Models without versions, to which `models` gave the version "1". */
  readonly unversioned: Set<string>;
  /** Asks for one small message. */
  ask(method: string, message: Uint8Array, waiting: Waiting): Promise<Uint8Array>;
}

/** The version to name on the wire; undefined where the server or the model has none. */
export function versionThere(
  link: OipGrpcLink,
  model: { readonly name: string; readonly version?: string },
): string | undefined {
  if (!link.quirks.versions) return undefined;
  if (model.version === "1" && link.unversioned.has(model.name)) return undefined;
  return model.version;
}
