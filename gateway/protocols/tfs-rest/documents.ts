// What TensorFlow Serving's REST protocol tells about models: the states of their versions, and their signatures.

import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { ModelRef } from "../../../core/request.ts";
import { encodeMetadata, encodeStatus } from "../../../wire/tfs-json-documents.ts";
import { tfsSignaturesOf } from "../../../wire/tfs-signatures.ts";
import { statusOf } from "../tfs/status.ts";
import { fail, guarded, json, modelOf } from "./replies.ts";

/** `GET /v1/models/{model}`, and of one version. */
export const status = guarded(async (wire: WireRequest, planes: Planes) =>
  json(200, encodeStatus(statusOf(planes, modelOf(wire, planes)))),
);

/** `GET .../metadata`. */
export async function metadata(wire: WireRequest, planes: Planes): Promise<WireReply> {
  let model: ModelRef | undefined;
  try {
    model = modelOf(wire, planes);
    const told = await planes.data.signature(model, wire.signal);
    return json(200, encodeMetadata({ name: told.name, version: told.version, signatures: tfsSignaturesOf(told) }));
  } catch (error) {
    return fail(error, model);
  }
}
