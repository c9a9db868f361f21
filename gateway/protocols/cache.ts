// The operator's purge of kept answers, on the admin listener.

import type { Planes, Protocol, WireReply, WireRequest } from "../../core/protocol.ts";
import { changeFailed, json, refuseBrowsers } from "./operator-answer.ts";

/** Behind the token of the admin listener, where it has one. */
export const cacheProtocol: Protocol = {
  name: "cache",
  listener: "http",
  prefixes: ["/admin/cache"],
  fail: changeFailed,
  routes: [{ method: "POST", path: "/admin/cache/purge", handle: purge }],
};

/** `?model=fraud&tenant=acme`; without a model all of them. */
async function purge(wire: WireRequest, { answers }: Planes): Promise<WireReply> {
  try {
    refuseBrowsers(wire, "purges");
    const [model, tenant] = [wire.query.get("model"), wire.query.get("tenant")];
    const purged = await answers?.purge({
      ...(model === null ? {} : { model }),
      ...(tenant === null ? {} : { tenant }),
    });
    return json(200, purged ?? { answers: 0 });
  } catch (error) {
    return changeFailed(error);
  }
}
