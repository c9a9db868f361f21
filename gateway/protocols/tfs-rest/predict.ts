// One :predict of TensorFlow Serving's REST protocol, by row or by column.

import type { Call } from "../../../core/call.ts";
import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { ModelRef, Reply } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { decodeRequest, encodeResponse, type TfsFormat } from "../../../wire/tfs-json.ts";
import { collected } from "../collected.ts";
import { type Codec, type Decoded, exchange } from "../exchange.ts";
import { STREAMS } from "../tfs/faults.ts";
import { isDefault, knownSignature, signatureAsked } from "../tfs/signature.ts";
import { fail, jsonParts, modelOf, NAME } from "./replies.ts";

/** A body up to this size is decoded at once; it takes well below a millisecond. */
export const SMALL_BYTES = 32 * 1024;

/** `POST /v1/models/{model}:predict`. */
export async function predict(wire: WireRequest, planes: Planes): Promise<WireReply> {
  let model: ModelRef;
  try {
    model = modelOf(wire, planes);
  } catch (error) {
    return fail(error);
  }
  return exchange(wire, planes, codecFor(model));
}

function codecFor(model: ModelRef): Codec<TfsFormat> {
  return {
    protocol: NAME,
    model,
    decoding: [],
    bySignature: true,
    fail: (error) => fail(error, model),
    decode: (wire, planes) => decode(model, wire, planes),
    encode,
  };
}

async function decode(model: ModelRef, wire: WireRequest, planes: Planes): Promise<Decoded<TfsFormat>> {
  const body = wire.body as Uint8Array;
  const told = await knownSignature(planes, model, wire.signal);
  const specs = (name: string | undefined) => (isDefault(name) ? told?.inputs : undefined);
  const { inputs, format, signature } = await planes.run(decodeRequest(body, { limits: planes.limits, specs }), {
    small: body.byteLength <= SMALL_BYTES,
    signal: wire.signal,
  });
  return {
    request: {
      model,
      task: "infer",
      inputs,
      parameters: NO_PARAMETERS,
      stream: false,
      ...signatureAsked(signature),
    },
    hints: { sluice: NO_PARAMETERS },
    form: format,
  };
}

async function encode(
  reply: Reply,
  format: TfsFormat,
  { call, planes }: { readonly call: Call; readonly planes: Planes },
): Promise<WireReply> {
  const { outputs } = await collected(reply, { call, planes, instead: STREAMS });
  const small = outputs.every((output) => output.data.byteLength <= SMALL_BYTES);
  return jsonParts(200, await planes.run(encodeResponse({ outputs, format }), { small, signal: call.signal }));
}
