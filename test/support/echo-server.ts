// A server of the Open Inference Protocol over HTTP with one model, `echo`: its answers have the inputs' form, blobs or JSON.

import { httpAnswer } from "./chaos-http.ts";
import { rawUpstream, type Upstream, type UpstreamRequest } from "./upstream-raw.ts";

const MODEL = {
  name: "echo",
  versions: ["1"],
  platform: "test",
  inputs: [{ name: "x", datatype: "FP32", shape: [-1] }],
  outputs: [{ name: "x", datatype: "FP32", shape: [-1] }],
};

/** @param extensions what it says that it has; it reads blobs in any case */
export function startEchoServer(extensions: readonly string[]): Promise<Upstream> {
  const told = new Map([
    ["/v2", JSON.stringify({ name: "test", version: "1", extensions })],
    ["/v2/models/echo", JSON.stringify(MODEL)],
    ["/v2/models/echo/versions/1", JSON.stringify(MODEL)],
  ]);
  return rawUpstream(
    (request) => {
      const [, path = ""] = request.line.split(" ");
      request.socket.write(path.endsWith("/infer") ? echoed(request) : httpAnswer(told.get(path) ?? ""));
    },
    { keep: false },
  );
}

function echoed({ headers, body }: UpstreamRequest): Buffer {
  const length = headers.get("inference-header-content-length");
  const blobs = body.subarray(Number(length ?? body.byteLength));
  const { id, inputs } = JSON.parse(body.toString("utf8", 0, body.byteLength - blobs.byteLength));
  const json = JSON.stringify({ model_name: "echo", model_version: "1", id, outputs: inputs });
  if (length === undefined) return httpAnswer(json);
  const sizes = { "content-length": `${json.length + blobs.byteLength}` };
  const head = httpAnswer(json, 200, { ...sizes, "inference-header-content-length": `${json.length}` });
  return Buffer.concat([head, blobs]);
}
