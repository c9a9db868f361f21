// TensorFlow Serving's REST protocol: :predict, :classify and :regress, status and metadata. What shares a path with other
// protocols is served by v1-models.ts, which calls in here.

import { invalid } from "../../core/error.ts";
import type { Protocol, Route, WireRequest } from "../../core/protocol.ts";
import { metadata, status } from "./tfs-rest/documents.ts";
import { classify, regress } from "./tfs-rest/examples.ts";
import { predict } from "./tfs-rest/predict.ts";
import { fail, guarded, NAME } from "./tfs-rest/replies.ts";

type Rest = Pick<Route, "summary" | "handle">;

const get = (path: string, rest: Rest): Route => ({ method: "GET", path, ...rest });
const post = (path: string, rest: Rest): Route => ({ method: "POST", path, ...rest });

const MODEL = "/v1/models/:model";
const CHOSEN = [`${MODEL}/versions/:version`, `${MODEL}/labels/:label`];
const MALFORMED: Rest = { summary: "Names no verb: always refused.", handle: guarded(malformed) };

export const tfsRest: Protocol = {
  name: NAME,
  listener: "http",
  prefixes: ["/v1/models"],
  fail,
  routes: [
    ...CHOSEN.flatMap((path) => [
      get(path, { summary: "The states of the model's versions.", handle: status }),
      post(`${path}:predict`, { summary: "A prediction, by row or by column.", handle: predict }),
    ]),
    ...[MODEL, ...CHOSEN].flatMap((path) => [
      get(`${path}/metadata`, { summary: "The model's signature.", handle: metadata }),
      post(`${path}:classify`, { summary: "Classes of each example.", handle: classify }),
      post(`${path}:regress`, { summary: "A value of each example.", handle: regress }),
    ]),
    // a question without a verb is malformed to TensorFlow Serving, not of the wrong method
    ...[MODEL, ...CHOSEN].flatMap((path) => [post(path, MALFORMED), post(`${path}/metadata`, MALFORMED)]),
    get("/v1/models/*", MALFORMED),
    post("/v1/models/*", MALFORMED),
  ],
};

/** A verb or a path that nobody has. */
async function malformed({ method, path }: WireRequest): Promise<never> {
  throw invalid(`Malformed request: ${method} ${path}`);
}
