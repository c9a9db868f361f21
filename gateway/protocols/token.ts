// Asks for the operator's token before any route of a protocol.

import { createHash, timingSafeEqual } from "node:crypto";
import { InferError } from "../../core/error.ts";
import type { Protocol, WireReply } from "../../core/protocol.ts";

/** The protocol behind `Authorization: Bearer <token>`; as it is where there is no token. */
export function behindToken(protocol: Protocol, token: string | undefined): Protocol {
  if (token === undefined) return protocol;
  const wanted = digest(token);
  return {
    ...protocol,
    routes: protocol.routes.map((route) => ({
      ...route,
      handle: async (wire, planes) => {
        const [, given] = /^Bearer +(\S+)$/i.exec(wire.headers.get("authorization") ?? "") ?? [];
        // digests are of one length, so that comparing them tells nothing of the token
        if (given !== undefined && timingSafeEqual(digest(given), wanted)) return route.handle(wire, planes);
        return unauthorized(protocol, given === undefined);
      },
    })),
  };
}

function unauthorized(protocol: Protocol, absent: boolean): WireReply {
  const text = `expected the header authorization: Bearer and the token of the config (admin.token), got ${absent ? "none" : "another"}`;
  return {
    ...protocol.fail(new InferError("unauthenticated", text)),
    status: 401,
    headers: { "content-type": "application/json", "www-authenticate": "Bearer" },
  };
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
