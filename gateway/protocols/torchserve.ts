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
function predicting(verb: string, summary: string, handle: Route["handle"]): readonly Route[] {
  return ANY.flatMap((method) => [
    { method, path: `/${verb}/:model`, summary, handle },
    { method, path: `/${verb}/:model/:version`, summary, handle },
  ]);
}

const managing = (method: Method, path: string, about: Pick<Route, "summary" | "handle">): Route => ({
  method,
  path,
  ...about,
  handle: managed(about.handle),
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
    { method: "GET", path: "/ping", summary: "The gateway's health.", handle: ping },
    ...predicting("predictions", "A prediction of the model.", infer),
    ...predicting("explanations", "An explanation by the model.", explain),
    managing("GET", "/models", { summary: "A page of the models' names.", handle: listModels }),
    managing("POST", "/models", { summary: "Loads a model that a backend has.", handle: register }),
    managing("GET", "/models/:model", { summary: "What is known of the model's versions.", handle: describeModel }),
    managing("GET", "/models/:model/:version", {
      summary: "What is known of the model's versions.",
      handle: describeModel,
    }),
    managing("PUT", "/models/:model", { summary: "Loads (1) or unloads (0) the model.", handle: scale }),
    managing("PUT", "/models/:model/:version", { summary: "Loads (1) or unloads (0) the model.", handle: scale }),
    managing("PUT", "/models/:model/:version/set-default", {
      summary: "Refused: the config says which version is the default.",
      handle: setDefault,
    }),
    managing("DELETE", "/models/:model", { summary: "Unloads the model.", handle: unregister }),
    managing("DELETE", "/models/:model/:version", { summary: "Unloads the model.", handle: unregister }),
  ],
};
