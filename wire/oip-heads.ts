// Heads of requests and answers that were read before: most clients send the same JSON before every tensor, and most models
// answer with the same but for the request's id.

import type { Hints } from "../core/hints.ts";
import type { CodecMemory } from "../core/protocol.ts";
import type { Tensor } from "../core/tensor.ts";
import type { ReadTensor } from "./oip-tensors.ts";

/** Longer heads are read each time, in bytes. */
const MOST_HEAD_BYTES = 1024;

/** All that a head says, where nothing of it depends on what is in the blobs. */
interface KnownHead {
  /** All of the request but its inputs. */
  readonly rest: object;
  readonly inputs: readonly BlobInput[];
  /** Of all blobs. */
  readonly bytes: number;
}

/** A request as its reader has it. */
interface Request {
  readonly inputs: readonly Tensor[];
  readonly hints: Pick<Hints, "id">;
}

type BlobInput = Extract<ReadTensor, { form: "blob" }>;

/** Where a head may be found and kept. */
export interface HeadPlace {
  readonly memory: CodecMemory;
  /** The head's own bytes. */
  readonly key: string;
}

/** Undefined for a request whose head is not remembered: one that is all JSON, or has a long head. */
export function placeOfHead(
  body: Uint8Array,
  { headerLength, heads }: { readonly headerLength?: number; readonly heads?: CodecMemory },
): HeadPlace | undefined {
  if (heads === undefined || headerLength === undefined || headerLength > MOST_HEAD_BYTES) return undefined;
  const key = Buffer.from(body.buffer, body.byteOffset, headerLength).toString("latin1");
  return { memory: heads, key };
}

/** The request, its inputs as views of the body; undefined where the head is not known or its blobs were of another length. */
export function findHead<R extends Request>({ memory, key }: HeadPlace, body: Uint8Array): R | undefined {
  const known = memory.get(key) as KnownHead | undefined;
  // a head is as long as its key
  if (known === undefined || body.byteLength - key.length !== known.bytes) return undefined;
  // one memory, one reader: what was kept is what it gave
  return { ...known.rest, inputs: viewsOf(known.inputs, body, key.length) } as unknown as R;
}

/** @param at where the first of the blobs begins */
function viewsOf(blobs: readonly BlobInput[], body: Uint8Array, at: number): readonly Tensor[] {
  let from = at;
  return blobs.map(({ tensor, bytes }): Tensor => {
    const data = body.subarray(from, from + bytes);
    from += bytes;
    return { ...tensor, data };
  });
}

/** Keeps what a whole request's head said: not one with an id, which does not come again, nor where blobs have a form of their own. */
export function keepHead({ memory, key }: HeadPlace, read: readonly ReadTensor[], request: Request): void {
  if (request.hints.id !== undefined) return;
  const inputs = blobsOf(read);
  if (inputs === undefined) return;
  const { inputs: _, ...rest } = request;
  memory.set(key, { rest, inputs, bytes: bytesOf(inputs) } satisfies KnownHead);
}

/** Undefined where some of the tensors are not blobs, or blobs with a form of their own. */
function blobsOf(read: readonly ReadTensor[]): readonly BlobInput[] | undefined {
  const blobs: BlobInput[] = [];
  for (const one of read) {
    if (one.form !== "blob" || one.tensor.datatype === "BYTES") return undefined;
    blobs.push(one);
  }
  return blobs;
}

function bytesOf(blobs: readonly BlobInput[]): number {
  return blobs.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Where the answers of one connection are remembered. */
export interface AnswerMemory {
  readonly memory: CodecMemory;
  /** What the request was sent under: letters, digits and hyphens, which are the same in JSON. */
  readonly id: string;
}

/** An answer as its reader has it. */
interface Answer {
  readonly id?: string;
  readonly outputs: readonly Tensor[];
}

interface KnownAnswer {
  /** All of the answer but its id and its outputs. */
  readonly rest: object;
  readonly outputs: readonly BlobInput[];
  /** Of all blobs. */
  readonly bytes: number;
}

export interface AnswerPlace extends HeadPlace {
  /** The id that was sent; undefined where it is not in the head. */
  readonly id: string | undefined;
  /** Of the head. */
  readonly length: number;
}

/**
 * The head without the id that was sent, which stands there once, as a whole string. Heads that differ in nothing else say the
 * same but for that one string, and it is kept only of heads where that string is the answer's id. Of servers that do not say
 * the id, the head as it is.
 */
export function placeOfAnswer(
  body: Uint8Array,
  { headerLength, answers }: { readonly headerLength?: number; readonly answers?: AnswerMemory },
): AnswerPlace | undefined {
  if (answers === undefined || headerLength === undefined || headerLength > MOST_HEAD_BYTES) return undefined;
  const { memory, id } = answers;
  const head = Buffer.from(body.buffer, body.byteOffset, headerLength).toString("latin1");
  const at = head.indexOf(`"${id}"`);
  if (at === -1) return { memory, id: undefined, key: `as it is: ${head}`, length: headerLength };
  // in one place, and no string written otherwise: what is left out is the answer's id, or the answer has another
  if (head.includes(`"${id}"`, at + 1) || head.includes("\\")) return undefined;
  // JSON has no such byte, so that no head is the key of another
  return { memory, id, key: `${head.slice(0, at + 1)}\0${head.slice(at + 1 + id.length)}`, length: headerLength };
}

/** The answer, its outputs as views of the body; undefined where the head is not known or its blobs were of another length. */
export function findAnswer<A extends Answer>(place: AnswerPlace, body: Uint8Array): A | undefined {
  const { memory, key, id, length } = place;
  const known = memory.get(key) as KnownAnswer | undefined;
  if (known === undefined || body.byteLength - length !== known.bytes) return undefined;
  const outputs = viewsOf(known.outputs, body, length);
  return { ...known.rest, ...(id === undefined ? {} : { id }), outputs } as unknown as A;
}

/** Keeps what a whole answer's head said, where the string that is left out was its id or it has none, and its blobs have no form of their own. */
export function keepAnswer({ memory, key, id }: AnswerPlace, read: readonly ReadTensor[], answer: Answer): void {
  const outputs = blobsOf(read);
  if (outputs === undefined || answer.id !== id) return;
  const { id: _, outputs: __, ...rest } = answer;
  memory.set(key, { rest, outputs, bytes: bytesOf(outputs) } satisfies KnownAnswer);
}
