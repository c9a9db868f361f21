// Bodies of answers: small documents, errors that come as streams, and whole answers as tensors.

import { InferError } from "../../core/error.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import { joinBytesElements, type Tensor } from "../../core/tensor.ts";
import type { RowSpec } from "../../wire/json-rows.ts";
import { mediaType, opaqueTensor, UNKNOWN_TYPE } from "../../wire/opaque.ts";
import type { Door, HttpAnswer, HttpStream } from "../connection.ts";
import {
  answeredBy,
  BARE_OUTPUT,
  chooseOutputs,
  isJson,
  type KnownAnswer,
  knownSignature,
  modelOf,
  readAnswer,
  readSliced,
} from "./answers.ts";

/** A document of a server as JavaScript has it; undefined for what is no JSON. Not for tensors: its numbers are doubles. */
export function parseDocument(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** As much of an error's body as is looked at. */
const MAX_ERROR_BYTES = 64 * 1024;

/** The answer of a stream that turned out to be an error: its first 64 KiB, the rest left unread. */
export async function wholeOf(stream: HttpStream): Promise<HttpAnswer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of stream.parts) {
    pieces.push(piece);
    bytes += piece.byteLength;
    if (bytes >= MAX_ERROR_BYTES) break;
  }
  return { status: stream.status, headers: stream.headers, body: Buffer.concat(pieces) };
}

/** What is needed to read an answer. */
export interface Reading {
  readonly door: Pick<Door, "run" | "signature">;
  readonly signal: AbortSignal;
  /** What the kind itself knows of the outputs where no signature is declared or told. */
  readonly known?: KnownAnswer;
}

/** What is known of a model's answer: its signature, else what the kind knows. */
export async function knownAnswer(request: InferRequest, reading: Reading): Promise<KnownAnswer> {
  return (await knownSignature(reading.door, modelOf(request), reading.signal)) ?? reading.known ?? {};
}

/** The tensors of an answer: JSON by what is known of it, any other body as one opaque payload. */
export async function readBody(
  answer: Pick<HttpAnswer, "headers" | "body">,
  request: InferRequest,
  reading: Reading,
): Promise<readonly Tensor[]> {
  const { door, signal } = reading;
  const known = await knownAnswer(request, reading);
  const contentType = answer.headers.get("content-type");
  if (contentType !== undefined && !isJson(contentType)) {
    if (isText(known)) {
      return [{ name: known.outputs[0].name, datatype: "BYTES", shape: [], data: joinBytesElements([answer.body]) }];
    }
    refuseOtherType(known, contentType);
    return [opaqueTensor(known.outputs?.[0]?.name ?? BARE_OUTPUT, answer.body, { contentType })];
  }
  if (isOpaque(known)) {
    return [
      opaqueTensor(known.outputs?.[0]?.name ?? BARE_OUTPUT, answer.body, { contentType: contentType ?? UNKNOWN_TYPE }),
    ];
  }
  return readSliced(door, readAnswer(answer.body, known), { bytes: answer.body.byteLength, signal });
}

/**
 * An opaque payload never stands in for numbers that the signature promises.
 *
 * @throws InferError bad-backend naming the output and the content type
 */
export function refuseOtherType(known: KnownAnswer, contentType: string): void {
  const declared = known.outputs?.find(({ datatype }) => datatype !== undefined && datatype !== "BYTES");
  if (declared === undefined) return;
  const wanted = `output "${declared.name}" of ${declared.datatype}`;
  throw new InferError("bad-backend", `expected a body with ${wanted}, got one of type ${mediaType(contentType)}`);
}

/** One output, declared as a text by itself: its bytes are what a body of text holds. */
export function isText(known: KnownAnswer): known is { readonly outputs: readonly [RowSpec] } {
  const [first, second] = known.outputs ?? [];
  return second === undefined && first?.datatype === "BYTES" && first.shape?.length === 0;
}

/** One output, declared as BYTES of shape [1]: the body itself, whatever it is. */
export function isOpaque({ outputs }: KnownAnswer): boolean {
  const [first, second] = outputs ?? [];
  if (first === undefined || second !== undefined) return false;
  return first.datatype === "BYTES" && first.shape?.length === 1 && first.shape[0] === 1;
}

/** The reply with those of the outputs that the request asks for. */
export function wholeReply(request: InferRequest, outputs: readonly Tensor[]): Reply {
  return { kind: "whole", model: answeredBy(request), outputs: chooseOutputs(request, outputs), parameters: new Map() };
}
