// What the clients of the matrix share: a request as sent, an answer as understood.

import type { WireReply } from "../../core/protocol.ts";
import type { Value } from "./matrix-values.ts";

/** What a client sends. */
export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** What a client understands of an answer; rows in JSON tell no datatype. */
export type Read = Pick<Value, "shape" | "data"> & { readonly datatype?: string };

/** The header of binary tensors: the bytes of JSON before them. */
export const LENGTH = "inference-header-content-length";

/** A body of JSON, from its pieces. */
export const json = (...parts: readonly (string | Uint8Array)[]): Required<Sent> => ({
  headers: { "content-type": "application/json" },
  body: Buffer.concat(parts.map((part) => Buffer.from(part))),
});

/** An answer's whole body. */
export function wholeBody({ body }: WireReply): Buffer {
  if (Symbol.asyncIterator in body) throw new Error("expected a whole answer, got a stream");
  return Buffer.concat(body instanceof Uint8Array ? [body] : body);
}
