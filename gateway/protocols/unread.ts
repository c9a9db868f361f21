// The kind of a request, as far as it is known before its body is read as more than bytes.

import type { Kind, Planes, WireRequest } from "../../core/protocol.ts";
import type { ModelRef } from "../../core/request.ts";

/** Beyond it nothing is looked for in a body. */
const MAX_BYTES = 64 * 1024;
/** What may stand in a body and makes a request more than one of many; in JSON and in protobuf alike. */
const OWN = ["priority", "sequence_"].map((word) => Buffer.from(word));

/** Undefined for what is to be read in any case: a body that is a stream, large, or says a priority or a sequence. */
export function kindOf(wire: WireRequest, model: ModelRef | undefined, planes: Planes): Kind | undefined {
  const { body, headers } = wire;
  if (model === undefined || !(body instanceof Uint8Array) || body.byteLength > MAX_BYTES) return undefined;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (OWN.some((word) => bytes.includes(word))) return undefined;
  const { name, select } = model;
  return {
    model: name,
    version: select.by === "default" ? "" : JSON.stringify(select),
    tenant: planes.tenant(headers) ?? "",
  };
}
