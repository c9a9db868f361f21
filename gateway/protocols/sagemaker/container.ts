// The answer of a container: whole, or as it comes where the parts of a stream stand behind each other by themselves.

import { InferError } from "../../../core/error.ts";
import type { WireReply } from "../../../core/protocol.ts";
import type { InferResponse, Reply } from "../../../core/request.ts";
import { contentTypeOf } from "../../../wire/opaque.ts";
import type { BodyForm } from "../typed-body.ts";
import { type At, encodeWhole, VARIANT, write } from "./invoke.ts";

/**
 * A stream of payloads, of lines of a table or of JSON Lines goes out in chunks; a fault behind the first of them ends the
 * connection. Parts of one JSON document, or of one array, are put together first.
 *
 * @throws InferError as encodeWhole
 */
export async function encodeContainer(reply: Reply, form: BodyForm, at: At): Promise<WireReply> {
  if (reply.kind === "whole") return encodeWhole(reply, form, at);
  const iterator = reply.parts[Symbol.asyncIterator]();
  const first = await iterator.next();
  const type = first.done === true ? undefined : payloadType(first.value);
  const isChunked = type !== undefined || form === "csv" || form === "json-lines";
  const parts = resumed(first, iterator);
  if (first.done === true || !isChunked) return encodeWhole({ kind: "stream", parts }, form, at);
  const { contentType } = await write(first.value, form, at);
  const headers = { "content-type": contentType, [VARIANT]: first.value.model.version };
  return { status: 200, headers, body: chunks(parts, type, { form, at }) };
}

async function* chunks(
  parts: AsyncIterable<InferResponse>,
  type: string | undefined,
  { form, at }: { readonly form: BodyForm; readonly at: At },
): AsyncGenerator<Uint8Array> {
  for await (const part of parts) {
    if (part.outputs.length === 0) continue;
    const now = payloadType(part);
    if (now !== type) throw new InferError("bad-backend", `a part of type ${now ?? "none"} behind ${type ?? "none"}`);
    yield* (await write(part, form, at)).parts;
  }
}

/** What the only output is a payload of; undefined where there are tensors. */
function payloadType({ outputs }: InferResponse): string | undefined {
  const [only, second] = outputs;
  return only === undefined || second !== undefined ? undefined : contentTypeOf(only);
}

/** The parts from the first one on, which has been taken already. */
async function* resumed(
  first: IteratorResult<InferResponse>,
  rest: AsyncIterator<InferResponse>,
): AsyncGenerator<InferResponse> {
  try {
    for (let step = first; step.done !== true; step = await rest.next()) yield step.value;
  } finally {
    await rest.return?.();
  }
}
