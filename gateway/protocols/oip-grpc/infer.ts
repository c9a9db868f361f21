// One inference of the Open Inference Protocol over gRPC: its message read, the answer written, raw or typed.

import type { Call } from "../../../core/call.ts";
import { InferError } from "../../../core/error.ts";
import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { InferResponse, Reply } from "../../../core/request.ts";
import { decodeRequest, encodeResponse, type ProtoAnswer } from "../../../wire/oip-proto.ts";
import { contentsField } from "../../../wire/oip-proto-contents.ts";
import type { Contents } from "../../../wire/oip-proto-write.ts";
import { type Codec, type Decoded, exchange } from "../exchange.ts";
import { grpcFail, grpcReply, messageOf } from "../grpc-status.ts";
import { regionsOf } from "../triton/allowed.ts";
import { classesOf } from "../triton/classify.ts";
import { finishOutputs, type OutputWishes } from "../triton/outputs.ts";
import { modelRef } from "./metadata.ts";

/** The label in metrics, logs and traces. */
export const NAME = "oip-grpc";
/** A message up to this size is decoded at once; it takes well below a millisecond. */
export const SMALL_BYTES = 32 * 1024;

/** How an answer is to look. */
export interface Form {
  readonly id: string | undefined;
  /** How the inputs came, where outputs are to come likewise. */
  readonly contents: Contents;
  /** On a stream: an empty answer is wanted behind the last one. */
  readonly emptyFinal: boolean;
  /** What Triton's extensions are to do with the outputs. */
  readonly wishes: OutputWishes;
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
  const { regions: shared, contents: wanted } = planes.operator;
  const { model, inputs, outputs, parameters, hints, contents, emptyFinal, regions } = await planes.run(
    decodeRequest(message, { limits: planes.limits, ...(shared === undefined ? {} : { shared: shared.reader() }) }),
    // what lies in shared memory may be large behind any message
    { small: message.byteLength <= SMALL_BYTES && shared === undefined, signal: wire.signal },
  );
  if (regions.size > 0) regionsOf(planes);
  const ref = modelRef(model.name, model.version);
  const classes = await classesOf(outputs, () => planes.data.signature(ref, wire.signal));
  return {
    request: {
      model: ref,
      task: "infer",
      inputs,
      parameters,
      stream,
      ...(outputs === undefined ? {} : { outputs }),
    },
    hints,
    form: {
      id: hints.id,
      contents: wanted === "as-asked" ? contents : "raw",
      emptyFinal,
      wishes: { classes, ...(regions.size === 0 ? {} : { regions }) },
    },
  };
}

/** An answer has typed contents only where all of its outputs have such a form; regions of shared memory have none. */
export function answerContents({ outputs }: InferResponse, { contents }: Form, regions: unknown): Contents {
  const canType = regions === undefined && outputs.every(({ datatype }) => contentsField(datatype) !== undefined);
  return canType ? contents : "raw";
}

async function encode(
  reply: Reply,
  form: Form,
  { call, planes }: { readonly call: Call; readonly planes: Planes },
): Promise<WireReply> {
  if (reply.kind === "stream") {
    throw new InferError("unsupported", "this model answers in a stream: ask it with ModelStreamInfer");
  }
  const { id, wishes } = form;
  const { reply: finished, regions } = await finishOutputs(reply, wishes, { call, planes });
  const small = finished.outputs.every((output) => output.data.byteLength <= SMALL_BYTES);
  const answer: ProtoAnswer = {
    contents: answerContents(finished, form, regions),
    ...(id === undefined ? {} : { id }),
    ...(regions === undefined ? {} : { regions }),
  };
  const message = await planes.run(encodeResponse(finished, answer), { small, signal: call.signal });
  return grpcReply(message);
}
