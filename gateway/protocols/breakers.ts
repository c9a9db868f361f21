// What keeps endpoints from work, on the admin listener: listed, and breakers set by hand.

import { InferError, invalid } from "../../core/error.ts";
import { type ByHand, describeGuard, type NamedGuard } from "../../core/guard.ts";
import type { Planes, Protocol, WireReply, WireRequest } from "../../core/protocol.ts";
import { changeFailed, json, refuseBrowsers } from "./operator-answer.ts";

/** A breaker that was opened or closed by hand stays so until it is reset, whatever calls come to. */
export const breakersProtocol: Protocol = {
  name: "breakers",
  listener: "http",
  prefixes: ["/admin/breakers"],
  fail: changeFailed,
  routes: [
    { method: "GET", path: "/admin/breakers", handle: async (_wire, { guards }) => shown(guards?.list() ?? []) },
    { method: "POST", path: "/admin/breakers/open", handle: byHand("open") },
    { method: "POST", path: "/admin/breakers/close", handle: byHand("close") },
    { method: "POST", path: "/admin/breakers/reset", handle: byHand("reset") },
  ],
};

function byHand(action: ByHand): (wire: WireRequest, planes: Planes) => Promise<WireReply> {
  return async (wire, { guards, env }) => {
    try {
      refuseBrowsers(wire);
      const endpoint = wire.query.get("endpoint");
      if (endpoint === null) throw invalid("endpoint: expected an endpoint such as gpu/triton-0:8001, got nothing");
      if (guards === undefined) throw new InferError("not-found", "no endpoint has a breaker");
      const done = guards.byHand(endpoint, action);
      const who = (wire.query.get("who") ?? wire.peer).slice(0, 100);
      env.log.warn({ endpoint, action, who }, "a breaker was set by hand");
      return shown(done);
    } catch (error) {
      return changeFailed(error);
    }
  };
}

function shown(guards: readonly NamedGuard[]): WireReply {
  const list = guards.map((guard) => ({
    ...guard,
    ...(guard.forMs === undefined ? {} : { forMs: Math.round(guard.forMs) }),
    said: describeGuard(guard),
  }));
  return json(200, { guards: list });
}
