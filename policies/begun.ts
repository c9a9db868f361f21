// The first part of a reply: until it is there, another branch or another endpoint may still answer.

import type { InferResponse, Reply } from "../core/request.ts";

/**
 * The reply once it has begun: a stream waits for its first part.
 *
 * @throws what the stream throws before its first part
 */
export async function begun(reply: Reply): Promise<Reply> {
  if (reply.kind === "whole") return reply;
  const parts = reply.parts[Symbol.asyncIterator]();
  return { kind: "stream", parts: resumed(await parts.next(), parts) };
}

// By hand: a generator that is returned before it has begun would not return the one below.
function resumed(
  first: IteratorResult<InferResponse>,
  rest: AsyncIterator<InferResponse>,
): AsyncIterable<InferResponse> {
  let pending: IteratorResult<InferResponse> | undefined = first;
  const iterator: AsyncIterableIterator<InferResponse> = {
    next() {
      if (pending === undefined) return rest.next();
      const result = pending;
      pending = undefined;
      return Promise.resolve(result);
    },
    async return() {
      pending = { done: true, value: undefined };
      await rest.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}
