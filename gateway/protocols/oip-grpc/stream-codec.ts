// How one request of a stream is read, and its answers or its error written, each in Triton's envelope.

import type { Call } from "../../../core/call.ts";
import { asInferError, type InferError } from "../../../core/error.ts";
import type { Planes, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { InferResponse, ModelRef } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import type { ProtoAnswer } from "../../../wire/oip-proto.ts";
import { encodeStreamError, encodeStreamPart } from "../../../wire/oip-proto-stream.ts";
import { one, TEXT, message as table } from "../../../wire/protobuf-table.ts";
import type { Codec, Decoded } from "../exchange.ts";
import { grpcFail, grpcReply, messageOf, OK } from "../grpc-status.ts";
import { finishOutputs } from "../triton/outputs.ts";
import { answerContents, decode, type Form, NAME, SMALL_BYTES } from "./infer.ts";
import type { Turn } from "./sequences.ts";

export interface StreamCodec extends Codec<Form> {
  /** What `fail` was last given. */
  fault(): InferError | undefined;
}

/** The id of a request that cannot be read further. */
const ID_ONLY = table({ id: one(3, TEXT) });

/** The codec of one request. `strict`: an error is a status, which ends the stream. */
export function streamCodec({ turn, strict }: { readonly turn: Turn; readonly strict: boolean }): StreamCodec {
  let id: string | undefined;
  let fault: InferError | undefined;
  const fail = (error: unknown): WireReply => {
    fault = asInferError(error);
    const failed = grpcFail(fault);
    if (strict) return failed;
    return { ...failed, status: OK, body: encodeStreamError(fault.message, id) };
  };
  return {
    protocol: NAME,
    fault: () => fault,
    fail,
    async decode(wire, planes) {
      await turn.toRead();
      id = idOf(messageOf(wire));
      const decoded = await withKind(await decode(wire, planes, { stream: true }), wire, planes);
      await turn.toRun(decoded.hints.sequence);
      return decoded;
    },
    async encode(reply, form, at) {
      if (reply.kind === "stream")
        return { status: OK, headers: {}, body: encodeParts(reply.parts, { form, at, fail }) };
      return grpcReply(await encodePart(reply, { form, final: true }, at));
    },
  };
}

/** A model that is known to answer once is asked for one answer. */
async function withKind(decoded: Decoded<Form>, wire: WireRequest, planes: Planes): Promise<Decoded<Form>> {
  const { request } = decoded;
  const isStream = (await decoupled(request.model, wire, planes)) !== false;
  return isStream ? decoded : { ...decoded, request: { ...request, stream: false } };
}

/** Undefined where nobody can tell. */
async function decoupled(model: ModelRef, wire: WireRequest, planes: Planes): Promise<boolean | undefined> {
  try {
    return (await planes.data.signature(model, wire.signal)).decoupled;
  } catch {
    return undefined;
  }
}

function idOf(bytes: Uint8Array): string | undefined {
  try {
    const { id } = ID_ONLY.decode(bytes);
    return id === "" ? undefined : id;
  } catch {
    return undefined;
  }
}

interface At {
  readonly call: Call;
  readonly planes: Planes;
}

async function encodePart(
  part: InferResponse,
  { form, final }: { readonly form: Form; readonly final: boolean },
  { call, planes }: At,
): Promise<Uint8Array> {
  const { id, wishes } = form;
  const { reply, regions } = await finishOutputs(part, wishes, { call, planes });
  const small = reply.outputs.every((output) => output.data.byteLength <= SMALL_BYTES);
  const answer: ProtoAnswer = {
    contents: answerContents(reply, form, regions),
    final,
    ...(id === undefined ? {} : { id }),
    ...(regions === undefined ? {} : { regions }),
  };
  return planes.run(encodeStreamPart(reply, answer), { small, signal: call.signal });
}

interface Parts {
  readonly form: Form;
  readonly at: At;
  readonly fail: (error: unknown) => WireReply;
}

/** The last part is not known when it comes, so what ends the answers is an empty one, for those who ask for it. */
async function* encodeParts(parts: AsyncIterable<InferResponse>, how: Parts): AsyncGenerator<Uint8Array> {
  const { form, at, fail } = how;
  let model = { name: "", version: "" };
  try {
    for await (const part of parts) {
      model = part.model;
      yield await encodePart(part, { form, final: false }, at);
    }
    if (!form.emptyFinal) return;
    const empty: InferResponse = { kind: "whole", model, outputs: [], parameters: NO_PARAMETERS };
    yield await encodePart(empty, { form, final: true }, at);
  } catch (error) {
    const failed = fail(error);
    if (failed.status !== OK) throw error;
    yield failed.body as Uint8Array;
  }
}

/** The messages of a reply that is a stream. */
export function partsOf(reply: WireReply): AsyncIterable<Uint8Array> {
  return reply.body as AsyncIterable<Uint8Array>;
}
