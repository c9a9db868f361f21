// A stream of answers to one request: Triton's, each in an envelope, or plain ones.

import type { Call } from "../../core/call.ts";
import { InferError, restated } from "../../core/error.ts";
import type { InferResponse, Reply } from "../../core/request.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../wire/oip-json.ts";
import { decodeResponse, type OipProtoResponse } from "../../wire/oip-proto.ts";
import { decodeStreamPart } from "../../wire/oip-proto-stream.ts";
import { oipTextFault, saidBy } from "./grpc-faults.ts";
import type { OipGrpcLink } from "./grpc-link.ts";

/** Bytes of an answer that is read at once. */
const SMALL_BYTES = 32 * 1024;

/** One request to a stream of its own. */
export interface StreamAsk {
  readonly path: string;
  /** What the request was sent under. */
  readonly id: string;
  readonly message: Uint8Array;
  readonly call: Call;
}

/**
 * The answers as they come; a reader who stops cancels the call. Errors are thrown, also those that Triton puts into
 * messages of a stream that stays open.
 */
export async function* readAnswers(link: OipGrpcLink, ask: StreamAsk): AsyncGenerator<OipProtoResponse> {
  const { client, door } = link;
  const { path, id, message, call } = ask;
  // which asks for a status in place of an error's text: a model's error then ends the process of Triton 2.51
  const { triton_grpc_error: _, ...headers } = door.headers(call);
  const exchange = client.exchange({ path, headers }, call);
  try {
    // a server that refuses before it has read the request ends the messages with the reason
    exchange.send(message).then(
      () => exchange.half(),
      () => {},
    );
    for await (const bytes of exchange.messages) {
      const answer = await readAnswer(link, bytes, call);
      link.ids.check(id, answer.id);
      const isEnd = answer.final === true;
      if (!(isEnd && answer.outputs.length === 0)) yield answer;
      if (isEnd) return;
    }
  } finally {
    exchange.cancel();
  }
}

async function readAnswer(link: OipGrpcLink, bytes: Uint8Array, call: Call): Promise<OipProtoResponse> {
  const options = { small: bytes.byteLength <= SMALL_BYTES, signal: call.signal };
  if (link.quirks.stream === "plain") return link.door.run(decodeResponse(bytes, { limits }), options);
  const part = await link.door.run(decodeStreamPart(bytes, { limits }), options);
  if (part.kind === "answer") return part.response;
  throw faultOf(part.message);
}

// The envelope has a text but no status. What the gateway's words have no name for is the model's own: another try gives
// the same.
function faultOf(message: string): InferError {
  const text = saidBy(message);
  const fault = oipTextFault(text);
  const cause = new Error(message);
  if (fault.code !== "bad-backend") return restated(fault, { cause });
  return new InferError("bad-backend", text || "the server failed without a reason", { retryable: "no", cause });
}

/** How answers become a reply. */
interface Answering {
  readonly toPart: (response: OipProtoResponse) => InferResponse;
  /** The caller takes both a stream and one answer, so an only answer that says that it is the last is the reply. */
  readonly orWhole: boolean;
}

/**
 * The answers as the parts of a reply, once the first of them has come. A reader who never starts leaves the stream to the
 * call's end.
 *
 * @throws InferError whatever came instead of a first answer
 */
export async function openAnswers(
  answers: AsyncGenerator<OipProtoResponse>,
  { toPart, orWhole }: Answering,
): Promise<Reply> {
  let first: IteratorResult<OipProtoResponse> | undefined = await answers.next();
  if (orWhole && first.done !== true && first.value.final === true) {
    await answers.return(undefined);
    return toPart(first.value);
  }
  const partOf = (result: IteratorResult<OipProtoResponse>): IteratorResult<InferResponse> =>
    result.done === true ? { done: true, value: undefined } : { done: false, value: toPart(result.value) };
  const iterator: AsyncIterator<InferResponse> = {
    async next() {
      const result = first ?? (await answers.next());
      first = undefined;
      return partOf(result);
    },
    async return() {
      await answers.return(undefined);
      return { done: true, value: undefined };
    },
  };
  return { kind: "stream", parts: { [Symbol.asyncIterator]: () => iterator } };
}
