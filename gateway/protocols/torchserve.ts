// TorchServe over HTTP: predictions, explanations, its health and what of its management maps onto the gateway.

import type { Method, Planes, Protocol, Route, WireReply, WireRequest } from "../../core/protocol.ts";
import { encodeHealth } from "../../wire/torchserve-documents.ts";
import { fail, json } from "./torchserve/fail.ts";
import {
  describeModel,
  listModels,
  managed,
  register,
  scale,
  setDefault,
  unregister,
} from "./torchserve/management.ts";
import { NAME, predict } from "./torchserve/predict.ts";

/** Every one of them predicts. Source: seen on a running server, protocols.md 16.5. */
const ANY: readonly Method[] = ["GET", "POST", "PUT", "DELETE"];

const infer = predict("infer");
const explain = predict("explain");

/** A path with and without a version, for all methods. */
function predicting(verb: string, handle: Route["handle"]): readonly Route[] {
  return ANY.flatMap((method) => [
    { method, path: `/${verb}/:model`, handle },
    { method, path: `/${verb}/:model/:version`, handle },
  ]);
}

const managing = (method: Method, path: string, handle: Route["handle"]): Route => ({
  method,
  path,
  handle: managed(handle),
});

/** Also the health of a SageMaker container, which asks for the status alone. */
async function ping(_wire: WireRequest, planes: Planes): Promise<WireReply> {
  const healthy = planes.data.live() && planes.data.serverReady();
  return json(healthy ? 200 : 500, encodeHealth(healthy));
}

export const torchserve: Protocol = {
  name: NAME,
  listener: "http",
  prefixes: ["/ping", "/predictions", "/explanations", "/models"],
  fail,
  routes: [
    { method: "GET", path: "/ping", handle: ping },
    ...predicting("predictions", infer),
    ...predicting("explanations", explain),
    managing("GET", "/models", listModels),
    managing("POST", "/models", register),
    managing("GET", "/models/:model", describeModel),
    managing("GET", "/models/:model/:version", describeModel),
    managing("PUT", "/models/:model", scale),
    managing("PUT", "/models/:model/:version", scale),
    managing("PUT", "/models/:model/:version/set-default", setDefault),
    managing("DELETE", "/models/:model", unregister),
    managing("DELETE", "/models/:model/:version", unregister),
  ],
};
