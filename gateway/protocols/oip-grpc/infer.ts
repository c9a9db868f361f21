// One inference of the Open Inference Protocol over gRPC: its message read, the answer written, raw or typed.

import type { Call } from "../../../core/call.ts";
import { InferError } from "../../../core/error.ts";
import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { Reply } from "../../../core/request.ts";
import { decodeRequest, encodeResponse } from "../../../wire/oip-proto.ts";
import { type Codec, type Decoded, exchange } from "../exchange.ts";
import { grpcFail, grpcReply, messageOf } from "../grpc-status.ts";
import { modelRef } from "./metadata.ts";

/** The label in metrics, logs and traces. */
export const NAME = "oip-grpc";
/** A message up to this size is decoded at once; it takes well below a millisecond. */
export const SMALL_BYTES = 32 * 1024;

/** How an answer is to look. */
export interface Form {
  readonly id: string | undefined;
  /** On a stream: an empty answer is wanted behind the last one. */
  readonly emptyFinal: boolean;
}

/** ModelInfer. */
export function infer(wire: WireRequest, planes: Planes): Promise<WireReply> {
  return exchange(wire, planes, CODEC);
}

const CODEC: Codec<Form> = {
  protocol: NAME,
  decode: (wire, planes) => decode(wire, planes, { stream: false }),
  encode,
  fail: (error) => grpcFail(error),
};

/** Reads ModelInferRequest, in one go or in slices. */
export async function decode(
  wire: WireRequest,
  planes: Planes,
  { stream }: { readonly stream: boolean },
): Promise<Decoded<Form>> {
  const message = messageOf(wire);
  const { model, inputs, outputs, parameters, hints, emptyFinal } = await planes.run(
    decodeRequest(message, { limits: planes.limits }),
    { small: message.byteLength <= SMALL_BYTES, signal: wire.signal },
  );
  return {
    request: {
      model: modelRef(model.name, model.version),
      task: "infer",
      inputs,
      parameters,
      stream,
      ...(outputs === undefined ? {} : { outputs }),
    },
    hints,
    form: { id: hints.id, emptyFinal },
  };
}

async function encode(
  reply: Reply,
  { id }: Form,
  { call, planes }: { readonly call: Call; readonly planes: Planes },
): Promise<WireReply> {
  if (reply.kind === "stream") {
    throw new InferError("unsupported", "this model answers in a stream: ask it with ModelStreamInfer");
  }
  const small = reply.outputs.every((output) => output.data.byteLength <= SMALL_BYTES);
  const message = await planes.run(encodeResponse(reply, { contents: "raw", ...(id === undefined ? {} : { id }) }), {
    small,
    signal: call.signal,
  });
  return grpcReply(message);
}
