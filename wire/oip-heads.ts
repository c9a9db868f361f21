// Heads of requests that were read before: most clients send the same JSON before every tensor.

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
  let at = key.length;
  const inputs = known.inputs.map(({ tensor, bytes }): Tensor => {
    const data = body.subarray(at, at + bytes);
    at += bytes;
    return { ...tensor, data };
  });
  // one memory, one reader: what was kept is what it gave
  return { ...known.rest, inputs } as unknown as R;
}

/** Keeps what a whole request's head said: not one with an id, which does not come again, nor where blobs have a form of their own. */
export function keepHead({ memory, key }: HeadPlace, read: readonly ReadTensor[], request: Request): void {
  if (request.hints.id !== undefined) return;
  const inputs: BlobInput[] = [];
  for (const one of read) {
    if (one.form !== "blob" || one.tensor.datatype === "BYTES") return;
    inputs.push(one);
  }
  const { inputs: _, ...rest } = request;
  const known: KnownHead = { rest, inputs, bytes: inputs.reduce((sum, { bytes }) => sum + bytes, 0) };
  memory.set(key, known);
}
