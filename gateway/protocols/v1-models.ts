// The paths that TensorFlow Serving, KServe's V1 protocol and TorchServe share: a model's state, and :predict.

import { InferError } from "../../core/error.ts";
import type { Planes, Protocol, WireReply, WireRequest } from "../../core/protocol.ts";
import type { ModelRef } from "../../core/request.ts";
import { encodeReady } from "../../wire/kserve-v1-documents.ts";
import { holdsRows } from "../../wire/kserve-v1-rows.ts";
import { encodeStatus } from "../../wire/tfs-json-documents.ts";
import { tfsStatusOf } from "../../wire/tfs-signatures.ts";
import { formOf } from "./kserve-v1/events.ts";
import { predict as predictByKserve, predictOpaque } from "./kserve-v1/infer.ts";
import { guarded as guardedAsKserve, json } from "./kserve-v1/replies.ts";
import { status as statusByTfs } from "./tfs-rest/documents.ts";
import { predict as predictByTfs, SMALL_BYTES } from "./tfs-rest/predict.ts";
import { fail } from "./tfs-rest/replies.ts";

export const v1Models: Protocol = {
  name: "v1-models",
  listener: "http",
  prefixes: ["/v1/models"],
  fail,
  routes: [
    {
      method: "GET",
      path: "/v1/models/:model",
      summary: "The model's versions, and whether it is ready.",
      handle: state,
    },
    { method: "POST", path: "/v1/models/:model:predict", summary: "A prediction of the model.", handle: predict },
  ],
};

/** One document that the clients of both protocols read what they look for in, unless the config says whose it is. */
async function state(wire: WireRequest, planes: Planes): Promise<WireReply> {
  const { model: name = "" } = wire.params;
  switch (planes.data.dialect(name)) {
    case "tf-serving":
      return statusByTfs(wire, planes);
    case "kserve-v1":
    case "torchserve":
      return readyByKserve(wire, planes);
    default:
      return both(wire, planes);
  }
}

const readyByKserve = guardedAsKserve(async (wire, planes) => {
  const { model: name = "" } = wire.params;
  if (await planes.data.ready(newest(name), wire.signal)) return json(200, encodeReady(name, true));
  throw new InferError("unavailable", `Model with name ${name} is not ready.`);
});

/** Not ready is a 503, which KServe's probes go by; TensorFlow Serving's clients read the same states in its body. */
const both = guardedAsKserve(async (wire, planes) => {
  const { model: name = "" } = wire.params;
  const states = encodeStatus(planes.data.versions(name).map(tfsStatusOf).reverse());
  const ready = await planes.data.ready(newest(name), wire.signal);
  return json(ready ? 200 : 503, { ...states, ...encodeReady(name, ready) });
});

function newest(name: string): ModelRef {
  return { name, select: { by: "default" } };
}

/** By what the body is, unless the config says whose the model is. */
async function predict(wire: WireRequest, planes: Planes): Promise<WireReply> {
  switch (planes.data.dialect(wire.params.model ?? "")) {
    case "tf-serving":
      return predictByTfs(wire, planes);
    case "kserve-v1":
      return predictByKserve(wire, planes);
    case "torchserve":
      return predictOpaque(wire, planes);
    default:
      return (await isKserves(wire, planes)) ? predictByKserve(wire, planes) : predictByTfs(wire, planes);
  }
}

/** Events, and objects without rows, are KServe's; rows are answered alike by both, columns by TensorFlow Serving. */
async function isKserves(wire: WireRequest, planes: Planes): Promise<boolean> {
  if (formOf(wire.headers) !== "none") return true;
  const body = wire.body as Uint8Array;
  const small = body.byteLength <= SMALL_BYTES;
  return !(await planes.run(holdsRows(body, planes.limits), { small, signal: wire.signal }));
}
