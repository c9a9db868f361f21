// The messages of Triton's streams of answers: each is an answer or the error of one request, both ways.

import { InferError } from "../core/error.ts";
import type { InferResponse } from "../core/request.ts";
import { decodeResponse, type OipProtoResponse, type ProtoAnswer, writeResponse } from "./oip-proto.ts";
import type { TensorsOptions } from "./oip-proto-tensors.ts";
import { writeTexts } from "./oip-proto-write.ts";
import { MAX_FIELDS, openReader, openWriter, readFields, readText, WIRE } from "./protobuf.ts";
import { finishAssembly, openAssembly, putNested } from "./protobuf-assembly.ts";
import { openPace, type Sliced, type SliceOptions } from "./sliced.ts";

/** Writes ModelStreamInferResponse around an answer: Triton's streams, not MLServer's, which have none around it. */
export function* encodeStreamPart(
  response: InferResponse,
  answer: ProtoAnswer,
  options: SliceOptions = {},
): Sliced<Uint8Array> {
  const pace = openPace(options);
  const part = openAssembly();
  putNested(part, 2, yield* writeResponse(response, answer, pace));
  return yield* finishAssembly(part, pace);
}

/** Writes ModelStreamInferResponse for a request that failed; its stream goes on. */
export function encodeStreamError(message: string, id?: string): Uint8Array {
  const writer = openWriter();
  writer
    .uint32((1 << 3) | WIRE.bytes)
    .string(message)
    .uint32((2 << 3) | WIRE.bytes)
    .fork();
  writeTexts(writer, [undefined, undefined, id]);
  return writer.ldelim().finish();
}

/** One message of a stream of answers. */
export type StreamPart =
  | { readonly kind: "answer"; readonly response: OipProtoResponse }
  | { readonly kind: "error"; readonly message: string; readonly id?: string };

/**
 * Reads ModelStreamInferResponse.
 *
 * @throws InferError bad-backend for whatever is malformed, also for a message that has neither an answer nor an error
 */
export function* decodeStreamPart(message: Uint8Array, options: TensorsOptions): Sliced<StreamPart> {
  const { error, answer } = splitStreamPart(message);
  if (error === "" && answer === undefined) {
    throw new InferError("bad-backend", "the backend's answer cannot be read: neither an answer nor an error");
  }
  const response = yield* decodeResponse(answer ?? new Uint8Array(0), options);
  if (error === "") return { kind: "answer", response };
  return { kind: "error", message: error, ...(response.id === undefined ? {} : { id: response.id }) };
}

// ModelStreamInferResponse: error_message 1, infer_response 2. Source: Triton, grpc_service.proto.
function splitStreamPart(message: Uint8Array) {
  const reader = openReader(message);
  let error = "";
  let answer: Uint8Array | undefined;
  try {
    readFields(reader, { left: MAX_FIELDS }, (field, wire) => {
      if (wire !== WIRE.bytes) return false;
      if (field === 1) error = readText(reader);
      else if (field === 2) answer = reader.bytes();
      else return false;
      return true;
    });
  } catch (cause) {
    const said = cause instanceof InferError ? cause.message : "unreadable";
    throw new InferError("bad-backend", `the backend's answer cannot be read: ${said}`, { cause });
  }
  return { error, answer };
}
