// The OpenAPI document of all REST routes at /openapi.json, and a page to read it at /docs.

import type { Planes, Protocol, WireReply, WireRequest } from "../../core/protocol.ts";
import { oipRest } from "./oip-rest.ts";
import { documentOf } from "./openapi/document.ts";
import { PAGE } from "./openapi/page.ts";

/** Nothing from elsewhere, and nobody else's frame around it. */
const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'",
};

/** The document of these protocols, and of itself. */
export function openApi(protocols: readonly Protocol[]): Protocol {
  const describe = async (_wire: WireRequest, { data }: Planes): Promise<WireReply> => ({
    status: 200,
    headers: { "content-type": "application/json" },
    body: Buffer.from(JSON.stringify(documentOf([...protocols, own], data.serverMetadata()))),
  });
  const own: Protocol = {
    name: "openapi",
    listener: "http",
    prefixes: ["/openapi.json", "/docs", "/"],
    fail: oipRest.fail,
    routes: [
      { method: "GET", path: "/openapi.json", summary: "This document.", handle: describe },
      // TorchServe describes itself so
      { method: "OPTIONS", path: "/", summary: "This document, where TorchServe has its own.", handle: describe },
      { method: "GET", path: "/docs", summary: "A page to read this document.", handle: async () => page() },
    ],
  };
  return own;
}

function page(): WireReply {
  return { status: 200, headers: PAGE_HEADERS, body: Buffer.from(PAGE) };
}
