// The parts of a streamed answer put together into one, for calls that have room for one answer only.

import type { Call } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { Planes } from "../../core/protocol.ts";
import type { InferResponse, Reply } from "../../core/request.ts";
import { copyPieces, type Sliced } from "../../core/run.ts";
import type { Tensor } from "../../core/tensor.ts";
import { contentTypeOf, payloadOf } from "../../wire/opaque.ts";

/** The most that is held of a stream before it is refused, in bytes: as much as a message may have. */
export const MAX_COLLECTED_BYTES = 64 * 1024 * 1024;
/** The most parts of a stream that are held. */
export const MAX_COLLECTED_PARTS = 65_536;
/** Joined at once: well below a millisecond. */
const SMALL_BYTES = 1024 * 1024;

/** What collecting needs to know of its place. */
export interface Collecting {
  readonly call: Call;
  readonly planes: Pick<Planes, "run">;
  /** Where a caller gets the stream itself: `StreamPredictions carries it`. */
  readonly instead: string;
}

/**
 * The reply, or the parts of its stream as one answer: the bytes of payloads one behind the other, the rows of tensors
 * likewise; of scalars a row each. A stream that is refused is not read on: whoever holds the call ends it.
 *
 * @throws InferError unsupported for a stream that is too large, has no parts, or whose parts do not fit together; what
 * the stream throws
 */
export async function collected(reply: Reply, at: Collecting): Promise<InferResponse> {
  if (reply.kind === "whole") return reply;
  const parts: InferResponse[] = [];
  let bytes = 0;
  const iterator = reply.parts[Symbol.asyncIterator]();
  for (let step = await iterator.next(); step.done !== true; step = await iterator.next()) {
    const part = step.value;
    // the empty answer by which Triton says that it was the last one
    if (part.outputs.length === 0) continue;
    const odd = oddIn(part, parts[0] ?? part);
    if (odd !== undefined) throw refused(odd, at);
    for (const { data } of part.outputs) bytes += data.byteLength;
    if (bytes > MAX_COLLECTED_BYTES || parts.length === MAX_COLLECTED_PARTS) {
      const most = `${MAX_COLLECTED_BYTES} bytes and ${MAX_COLLECTED_PARTS} parts`;
      throw refused(`expected at most ${most} to put together, got more`, at);
    }
    parts.push(part);
  }
  const [first, second] = parts;
  if (first === undefined) throw refused("which ended without a part", at);
  if (second === undefined) return first;
  const outputs = first.outputs.map((_, i) => parts.map((part) => part.outputs[i] as Tensor));
  const how = { small: bytes <= SMALL_BYTES, signal: at.call.signal };
  return { ...first, outputs: await at.planes.run(joinAll(outputs), how) };
}

/** Why a part does not go behind the first one. */
function oddIn(part: InferResponse, first: InferResponse): string | undefined {
  if (part.outputs.length !== first.outputs.length) {
    return `whose parts do not fit together: ${first.outputs.length} outputs, then ${part.outputs.length}`;
  }
  const odd = first.outputs.findIndex((output, i) => !isLike(part.outputs[i] as Tensor, output));
  if (odd < 0) return undefined;
  return `whose parts do not fit together: ${describe(first.outputs[odd])}, then ${describe(part.outputs[odd])}`;
}

function describe(tensor: Tensor | undefined): string {
  if (tensor === undefined) return "nothing";
  const type = contentTypeOf(tensor);
  return `"${tensor.name}" ${type ?? `${tensor.datatype}[${tensor.shape.join(",")}]`}`;
}

function isLike(one: Tensor, first: Tensor): boolean {
  const isSame = one.name === first.name && one.datatype === first.datatype;
  if (!isSame || contentTypeOf(one) !== contentTypeOf(first)) return false;
  return one.shape.length === first.shape.length && one.shape.every((size, i) => i === 0 || size === first.shape[i]);
}

function* joinAll(outputs: readonly (readonly Tensor[])[]): Sliced<readonly Tensor[]> {
  const joined: Tensor[] = [];
  for (const parts of outputs) joined.push(yield* join(parts));
  return joined;
}

function* join(parts: readonly Tensor[]): Sliced<Tensor> {
  const first = parts[0] as Tensor;
  if (contentTypeOf(first) !== undefined) {
    const data = yield* concat(parts.map(payloadOf), 4);
    data.writeUInt32LE(data.byteLength - 4);
    return { ...first, data };
  }
  const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 1), 0);
  const data = yield* concat(
    parts.map((part) => part.data),
    0,
  );
  return { ...first, shape: [rows, ...first.shape.slice(1)], data };
}

/** The pieces one behind the other, after so many bytes of room. */
function* concat(pieces: readonly Uint8Array[], room: number): Sliced<Buffer> {
  const data = Buffer.allocUnsafeSlow(pieces.reduce((sum, { byteLength }) => sum + byteLength, room));
  yield* copyPieces(pieces, data, room);
  return data;
}

function refused(why: string, { instead }: Collecting): InferError {
  return new InferError("unsupported", `this model answers in a stream, ${why}; ${instead}`);
}
