// The id and the trace context of a request: taken from its headers where they are sane, made otherwise.

import { randomFillSync } from "node:crypto";

/** Ids are printed in logs and headers: visible ASCII, at most 128 characters. */
const SANE_ID = /^[\x21-\x7e]{1,128}$/;
/** W3C trace context, version 00. An all-zero trace or parent id is invalid there. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export function requestId(header: string | undefined): string {
  return header !== undefined && SANE_ID.test(header) ? header : madeUpId();
}

export function traceparent(header: string | undefined): string {
  if (header !== undefined && TRACEPARENT.test(header)) return header;
  return madeUpTrace();
}

/** A trace's id and its parent's, 16 and 8 bytes. */
const TRACE_BYTES = 24;
const UUID_BYTES = 16;

// random bytes are drawn for many requests at once
const randomHex = (() => {
  const pool = Buffer.allocUnsafeSlow(128 * (TRACE_BYTES + UUID_BYTES));
  let at = pool.byteLength;
  return (bytes: number) => {
    if (at + bytes > pool.byteLength) {
      randomFillSync(pool);
      at = 0;
    }
    at += bytes;
    return pool.toString("hex", at - bytes, at);
  };
})();

function madeUpTrace(): string {
  const ids = randomHex(TRACE_BYTES);
  return `00-${ids.slice(0, 32)}-${ids.slice(32)}-00`;
}

/** The variant's two bits and two random ones, as a digit. */
const VARIANTS = "89ab";

/** A UUID of version 4. Source: RFC 9562, 5.4. Node's own looks each byte up in a table, which is cold between two long runs. */
function madeUpId(): string {
  const hex = randomHex(UUID_BYTES);
  const variant = VARIANTS[Number.parseInt(hex.charAt(16), 16) % VARIANTS.length];
  const [low, mid, high] = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(13, 16)];
  return `${low}-${mid}-4${high}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}
