// The id and the trace context of a request: taken from its headers where they are sane, made otherwise.

import { randomFillSync, randomUUID } from "node:crypto";

/** Ids are printed in logs and headers: visible ASCII, at most 128 characters. */
const SANE_ID = /^[\x21-\x7e]{1,128}$/;
/** W3C trace context, version 00. An all-zero trace or parent id is invalid there. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export function requestId(header: string | undefined): string {
  return header !== undefined && SANE_ID.test(header) ? header : randomUUID();
}

export function traceparent(header: string | undefined): string {
  if (header !== undefined && TRACEPARENT.test(header)) return header;
  return madeUp();
}

/** A trace's id and its parent's, 16 and 8 bytes. */
const IDS_BYTES = 24;

// random bytes are drawn for many requests at once
const madeUp = (() => {
  const pool = Buffer.allocUnsafeSlow(128 * IDS_BYTES);
  let at = pool.byteLength;
  return () => {
    if (at === pool.byteLength) {
      randomFillSync(pool);
      at = 0;
    }
    const ids = pool.toString("hex", at, at + IDS_BYTES);
    at += IDS_BYTES;
    return `00-${ids.slice(0, 32)}-${ids.slice(32)}-00`;
  };
})();
