// Requests to KServe's V1 protocol that come as CloudEvents, and their answers, which go the same way.

import type { Call } from "../../../core/call.ts";
import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import {
  binaryAttributes,
  binaryHeaders,
  decodeStructured,
  type EventInit,
  encodeStructured,
  STRUCTURED_TYPE,
} from "../../../wire/cloud-events.ts";
import { mediaType } from "../../../wire/opaque.ts";

/** How a request came, and its answer goes: as it is, or as an event. */
export type EventForm = "none" | "binary" | "structured";

/** What a request holds beneath its event, if it is one. */
export interface Unwrapped {
  readonly form: EventForm;
  readonly data: Uint8Array;
  /** Undefined where nobody says it. */
  readonly contentType: string | undefined;
}

/** Whether the request is an event. */
export function formOf(headers: ReadonlyMap<string, string>): EventForm {
  if (mediaType(headers.get("content-type")) === STRUCTURED_TYPE) return "structured";
  return binaryAttributes(headers) === undefined ? "none" : "binary";
}

/** @throws InferError invalid-argument for a structured event that is malformed */
export async function unwrapped(wire: WireRequest, planes: Planes, small: number): Promise<Unwrapped> {
  const body = wire.body as Uint8Array;
  const form = formOf(wire.headers);
  if (form !== "structured") return { form, data: body, contentType: wire.headers.get("content-type") };
  const { data } = await planes.run(decodeStructured(body, planes.limits), {
    small: body.byteLength <= small,
    signal: wire.signal,
  });
  return { form, data, contentType: undefined };
}

/** The type of every answer. Source: kserve/kserve, python/kserve/kserve/protocol/dataplane.py. */
const ANSWER_TYPE = "io.kserve.inference.response";

/** An answer of JSON in the form of its request. */
export function wrapped(
  reply: WireReply & { readonly body: readonly Uint8Array[] },
  form: EventForm,
  at: { readonly model: string; readonly call: Call; readonly planes: Planes },
): WireReply {
  if (form === "none") return reply;
  const { model, call, planes } = at;
  const event: EventInit = {
    id: call.id,
    source: `io.kserve.inference.${model}`,
    type: ANSWER_TYPE,
    timeMs: planes.env.clock.wall(),
  };
  if (form === "binary") return { ...reply, headers: { ...reply.headers, ...binaryHeaders(event) } };
  return { ...reply, headers: { "content-type": STRUCTURED_TYPE }, body: encodeStructured(event, reply.body) };
}
