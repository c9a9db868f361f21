// What keeps endpoints from work, on the admin listener: listed, and breakers set by hand.

import { asInferError, InferError, invalid } from "../../core/error.ts";
import { type ByHand, describeGuard, type NamedGuard } from "../../core/guard.ts";
import type { Planes, Protocol, WireReply, WireRequest } from "../../core/protocol.ts";
import { refuseBrowsers } from "./changes.ts";

/** A breaker that was opened or closed by hand stays so until it is reset, whatever calls come to. */
export const breakersProtocol: Protocol = {
  name: "breakers",
  listener: "http",
  prefixes: ["/admin/breakers"],
  fail,
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
      return fail(error);
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

function fail(error: unknown): WireReply {
  const { code, message } = asInferError(error);
  const status = { "permission-denied": 403, "not-found": 404, "invalid-argument": 400, unsupported: 405 };
  return json(Object.hasOwn(status, code) ? status[code as keyof typeof status] : 500, { error: message });
}

function json(status: number, value: unknown): WireReply {
  return {
    status,
    headers: { "content-type": "application/json" },
    body: Buffer.from(`${JSON.stringify(value)}\n`),
  };
}
