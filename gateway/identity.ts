// The id and the trace context of a request: taken from its headers where they are sane, made otherwise.

import { randomUUID } from "node:crypto";

/** Ids are printed in logs and headers: visible ASCII, at most 128 characters. */
const SANE_ID = /^[\x21-\x7e]{1,128}$/;
/** W3C trace context, version 00. An all-zero trace or parent id is invalid there. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export function requestId(header: string | undefined): string {
  return header !== undefined && SANE_ID.test(header) ? header : randomUUID();
}

export function traceparent(header: string | undefined): string {
  if (header !== undefined && TRACEPARENT.test(header)) return header;
  const trace = randomUUID().replaceAll("-", "");
  const parent = randomUUID().replaceAll("-", "").slice(0, 16);
  return `00-${trace}-${parent}-00`;
}
