// TensorFlow Serving's REST protocol: :predict, :classify and :regress, status and metadata. What shares a path with other
// protocols is served by v1-models.ts, which calls in here.

import { invalid } from "../../core/error.ts";
import type { Protocol, Route, WireRequest } from "../../core/protocol.ts";
import { metadata, status } from "./tfs-rest/documents.ts";
import { classify, regress } from "./tfs-rest/examples.ts";
import { predict } from "./tfs-rest/predict.ts";
import { fail, guarded, NAME } from "./tfs-rest/replies.ts";

const get = (path: string, handle: Route["handle"]): Route => ({ method: "GET", path, handle });
const post = (path: string, handle: Route["handle"]): Route => ({ method: "POST", path, handle });

const MODEL = "/v1/models/:model";
const CHOSEN = [`${MODEL}/versions/:version`, `${MODEL}/labels/:label`];

export const tfsRest: Protocol = {
  name: NAME,
  listener: "http",
  prefixes: ["/v1/models"],
  fail,
  routes: [
    ...CHOSEN.flatMap((path) => [get(path, status), post(`${path}:predict`, predict)]),
    // a question without a verb is malformed to TensorFlow Serving, not of the wrong method
    ...[MODEL, ...CHOSEN].flatMap((path) => [path, `${path}/metadata`]).map((path) => post(path, guarded(malformed))),
    ...[MODEL, ...CHOSEN].flatMap((path) => [
      get(`${path}/metadata`, metadata),
      post(`${path}:classify`, classify),
      post(`${path}:regress`, regress),
    ]),
    get("/v1/models/*", guarded(malformed)),
    post("/v1/models/*", guarded(malformed)),
  ],
};

/** A verb or a path that nobody has. */
async function malformed({ method, path }: WireRequest): Promise<never> {
  throw invalid(`Malformed request: ${method} ${path}`);
}
