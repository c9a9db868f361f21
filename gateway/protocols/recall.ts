// Decodes a request, or recalls what the same bytes were decoded to before.

import type { ModelMetadata } from "../../core/model.ts";
import type { DataPlane, DecodedRequest, DecodeMemo, Planes, WireRequest } from "../../core/protocol.ts";
import type { ModelRef } from "../../core/request.ts";

/** What decodes a request, and what it looks at. */
export interface Decoder<D extends DecodedRequest> {
  readonly protocol: string;
  /** The model that the path names, before the body is read; absent where only the body names it. */
  readonly model?: ModelRef;
  /**
   * The headers that `decode` looks at, where a repeat of the same bytes need not be decoded again; absent where decoding costs
   * next to nothing. It sees no others then, and what it gives must hold no bytes of the body but in `inputs`.
   */
  readonly decoding?: readonly string[];
  /** `decode` reads bodies by the signature of `model`. */
  readonly bySignature?: boolean;
  decode(wire: WireRequest, planes: Planes): Promise<D>;
}

/** A request as it was decoded now or before. */
export interface Recalled<D> {
  readonly decoded: D;
  /** To be called once the request was answered: the next one with these bytes is not decoded. */
  keep(): void;
}

/** Larger bodies are not remembered: their digest would hold the event loop for more than half a millisecond. */
const MAX_BYTES = 8 * 1024 * 1024;

/** @throws InferError what the decoder throws */
export async function recall<D extends DecodedRequest>(
  wire: WireRequest,
  planes: Planes,
  codec: Decoder<D>,
): Promise<Recalled<D>> {
  const asked = questionOf(wire, planes, codec);
  if (asked === undefined) return { decoded: await codec.decode(wire, planes), keep: () => {} };
  const { memo, model, headers, body } = asked;
  const told = codec.bySignature === true ? await toldOf(model, wire, planes) : undefined;
  const words = [
    codec.protocol,
    wire.method,
    wire.path,
    wire.query.toString(),
    JSON.stringify(model),
    JSON.stringify([...headers]),
    told === undefined ? "" : JSON.stringify([told, [...(told.signatures ?? [])]]),
  ];
  const key = memo.key(words, body);
  // a decoder sees nothing of a request but what is in the key
  const seen: WireRequest = { ...wire, headers, id: "", traceparent: "", peer: "" };
  const { data, hasStrayed } = fixedData(planes.data, model, told);
  const decode = (signal: AbortSignal) => codec.decode({ ...seen, signal }, { ...planes, data });
  // others may wait for the same answer when this client has gone
  const known = memo.find(key, () => decode(new AbortController().signal));
  if (known !== undefined) return { decoded: known, keep: () => {} };
  const decoded = await decode(wire.signal);
  return {
    decoded,
    keep() {
      if (!hasStrayed()) memo.keep(key, decoded);
    },
  };
}

interface Question {
  readonly memo: DecodeMemo;
  readonly model: ModelRef;
  /** Those that the decoder looks at. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** Undefined for a request that is not to be remembered. */
function questionOf(
  wire: WireRequest,
  planes: Planes,
  { model, decoding }: Pick<Decoder<DecodedRequest>, "model" | "decoding">,
): Question | undefined {
  const { memo } = planes;
  const { body } = wire;
  if (memo === undefined || model === undefined || decoding === undefined || !memo.wants(model.name)) return undefined;
  // what lies in shared memory may be another thing behind equal bytes
  if (planes.operator.regions !== undefined) return undefined;
  if (!(body instanceof Uint8Array) || body.byteLength > MAX_BYTES) return undefined;
  const headers = new Map<string, string>();
  for (const name of decoding) {
    const value = wire.headers.get(name);
    if (value !== undefined) headers.set(name, value);
  }
  return { memo, model, headers, body };
}

/** Undefined where nobody tells the signature now: then the decoder says what it says of that. */
async function toldOf(model: ModelRef, wire: WireRequest, planes: Planes): Promise<ModelMetadata | undefined> {
  try {
    return await planes.data.signature(model, wire.signal);
  } catch {
    return undefined;
  }
}

/** The plane with the one signature that is in the key; whoever asks it for another has strayed from the key. */
function fixedData(plane: DataPlane, model: ModelRef, told: ModelMetadata | undefined) {
  let strayed = false;
  const data: DataPlane = {
    ...plane,
    signature(ref, signal) {
      if (told !== undefined && ref === model) return Promise.resolve(told);
      strayed = true;
      return plane.signature(ref, signal);
    },
  };
  return { data, hasStrayed: () => strayed };
}
