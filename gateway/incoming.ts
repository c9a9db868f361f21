// What came off the wire, as the protocols read it: headers, path, query and the caller's identity.

import type { IncomingMessage } from "node:http";
import { requestId, traceparent } from "./identity.ts";

/** Who asks, for logs and headers. */
export interface Identity {
  readonly id: string;
  readonly traceparent: string;
}

export function identityOf(request: IncomingMessage): Identity {
  const id = request.headers["x-request-id"];
  const trace = request.headers.traceparent;
  return {
    id: requestId(typeof id === "string" ? id : undefined),
    traceparent: traceparent(typeof trace === "string" ? trace : undefined),
  };
}

/** The first value of each header; names are in lower case. */
export function headersOf(request: IncomingMessage): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const name in request.headers) {
    const value = request.headers[name];
    if (value !== undefined) headers.set(name, typeof value === "string" ? value : (value[0] ?? ""));
  }
  return headers;
}

/** The path without its query, as it was sent. */
export function pathOf(request: IncomingMessage): string {
  const url = request.url ?? "/";
  const mark = url.indexOf("?");
  return mark === -1 ? url : url.slice(0, mark);
}

const NO_QUERY = new URLSearchParams();

export function queryOf(url: string): URLSearchParams {
  const mark = url.indexOf("?");
  return mark === -1 ? NO_QUERY : new URLSearchParams(url.slice(mark + 1));
}
