// What the Open Inference Protocol over gRPC tells about the server and its models.

import { InferError, invalid } from "../../../core/error.ts";
import type { Planes, WireRequest } from "../../../core/protocol.ts";
import type { ModelRef } from "../../../core/request.ts";
import {
  encodeModelMetadata,
  MODEL_NAME,
  READY,
  SERVER_LIVE,
  SERVER_METADATA,
} from "../../../wire/oip-proto-service.ts";
import { messageOf } from "../grpc-status.ts";
import { extensionsOf } from "../triton/extensions.ts";

export async function serverLive(_wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  return SERVER_LIVE.encode({ live: planes.data.live() });
}

export async function serverReady(_wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  return READY.encode({ ready: planes.data.serverReady() });
}

/** A model or version that nobody knows is not ready, as Triton 2.51 answers. */
export async function modelReady(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  const { name, version } = MODEL_NAME.decode(messageOf(wire));
  try {
    return READY.encode({ ready: await planes.data.ready(modelRef(name, version), wire.signal) });
  } catch (error) {
    if (error instanceof InferError && error.code === "not-found") return READY.encode({ ready: false });
    throw error;
  }
}

export async function serverMetadata(_wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  const { name, version } = planes.data.serverMetadata();
  return SERVER_METADATA.encode({ name, version, extensions: extensionsOf(planes) });
}

export async function modelMetadata(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  const { name, version } = MODEL_NAME.decode(messageOf(wire));
  return encodeModelMetadata(await planes.data.signature(modelRef(name, version), wire.signal));
}

/**
 * The model that a message names; its newest version when it names none.
 *
 * @throws InferError invalid-argument for a version that is no whole number
 */
export function modelRef(name: string, version: string | undefined): ModelRef {
  if (version === undefined || version === "") return { name, select: { by: "default" } };
  if (!/^\d{1,19}$/.test(version)) {
    const got = JSON.stringify(version.slice(0, 24));
    throw invalid(`model "${name}": a version is a whole number, got ${got}`);
  }
  return { name, select: { by: "version", version } };
}
