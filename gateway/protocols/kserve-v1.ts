// KServe's V1 protocol over HTTP: liveness, the list of models and :explain. What shares a path with other protocols is served by
// v1-models.ts, which calls in here.

import type { Planes, Protocol, WireReply, WireRequest } from "../../core/protocol.ts";
import { encodeModels } from "../../wire/kserve-v1-documents.ts";
import { explain } from "./kserve-v1/infer.ts";
import { fail, guarded, json, NAME } from "./kserve-v1/replies.ts";

export const kserveV1: Protocol = {
  name: NAME,
  listener: "http",
  prefixes: ["/", "/v1/models"],
  fail,
  routes: [
    { method: "GET", path: "/", summary: "Whether the gateway is alive.", handle: guarded(alive) },
    { method: "GET", path: "/v1/models", summary: "The names of all models.", handle: guarded(list) },
    { method: "POST", path: "/v1/models/:model:explain", summary: "An explanation by the model.", handle: explain },
  ],
};

async function alive(_wire: WireRequest, planes: Planes): Promise<WireReply> {
  return planes.data.live() ? json(200, { status: "alive" }) : json(503, { status: "not alive" });
}

/** Every model, ready or not. TensorFlow Serving refuses this path. */
async function list(_wire: WireRequest, planes: Planes): Promise<WireReply> {
  return json(200, encodeModels(planes.data.models()));
}
