// What the router has found before: a request for a method and URL that it has routed goes straight to its route.

import type { IncomingMessage } from "node:http";
import type { Protocol, Route } from "../core/protocol.ts";

/** What a router finds: the route, and the parts of the path that are its parameters. */
export interface Way {
  readonly protocol: Protocol;
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** Clients of inference ask the same few URLs again and again; more than these are begun anew. */
const MOST_WAYS = 1024;
/** Of a URL that is remembered, in bytes. */
const MOST_URL_BYTES = 512;

export interface KnownWays {
  find(request: IncomingMessage): Way | undefined;
  keep(request: IncomingMessage, way: Way): void;
}

/** For one listener, whose routes never change. */
export function openKnownWays(): KnownWays {
  const byMethod = new Map<string, Map<string, Way>>();
  let kept = 0;
  return {
    find: ({ method = "", url = "" }) => byMethod.get(method)?.get(url),
    keep({ method = "", url = "" }, way) {
      if (url.length > MOST_URL_BYTES) return;
      if (kept >= MOST_WAYS) {
        byMethod.clear();
        kept = 0;
      }
      const byUrl = byMethod.get(method) ?? new Map<string, Way>();
      byMethod.set(method, byUrl);
      if (!byUrl.has(url)) kept += 1;
      byUrl.set(url, way);
    },
  };
}
