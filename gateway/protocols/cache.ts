// The operator's purge of kept answers, on the admin listener.

import { asInferError, type Code, InferError } from "../../core/error.ts";
import type { Planes, Protocol, WireReply, WireRequest } from "../../core/protocol.ts";

/** Behind the token of the admin listener, where it has one. */
export const cacheProtocol: Protocol = {
  name: "cache",
  listener: "http",
  prefixes: ["/admin/cache"],
  fail,
  routes: [{ method: "POST", path: "/admin/cache/purge", handle: purge }],
};

/** `?model=fraud&tenant=acme`; without a model all of them. */
async function purge({ headers, query }: WireRequest, { answers }: Planes): Promise<WireReply> {
  try {
    // a page that somebody reads on this machine could else ask its loopback address
    if (headers.has("origin")) {
      throw new InferError("permission-denied", "purges are not taken from pages in a browser (header origin)");
    }
    const [model, tenant] = [query.get("model"), query.get("tenant")];
    const purged = await answers?.purge({
      ...(model === null ? {} : { model }),
      ...(tenant === null ? {} : { tenant }),
    });
    return json(200, purged ?? { answers: 0 });
  } catch (error) {
    return fail(error);
  }
}

const STATUS: Partial<Record<Code, number>> = { "permission-denied": 403, "not-found": 404, unsupported: 405 };

function fail(error: unknown): WireReply {
  const { code, message } = asInferError(error);
  return json(STATUS[code] ?? 500, { error: message });
}

function json(status: number, value: unknown): WireReply {
  return {
    status,
    headers: { "content-type": "application/json" },
    body: Buffer.from(`${JSON.stringify(value)}\n`),
  };
}
