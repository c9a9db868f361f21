// What is asked of Triton when its answers are recorded.

import { get, post, type Recorded } from "../support/questions.ts";
import { isMissing, type Missing } from "../support/venv.ts";
import { datatypeMessages, OIP_BINARY } from "./datatype-questions.ts";
import { oipMessages } from "./oip-messages.ts";
import { faulty, OIP_QUESTIONS } from "./oip-questions.ts";
import { startTriton } from "./triton.ts";

/** Starts it and says what to ask; what kills or unloads a model comes last. */
export async function recorded(): Promise<Recorded | Missing> {
  const triton = await startTriton({ models: ["digits", "add_sub", "echo", "faulty", "stream", "batched", "broken"] });
  if (isMissing(triton)) return triton;
  return {
    version: triton.version,
    ports: { http: triton.http, grpc: triton.grpc },
    private: [triton.folder],
    questions: [
      ...OIP_QUESTIONS,
      ...(await oipMessages(triton.python, "triton")),
      ...OIP_BINARY,
      ...(await datatypeMessages(triton.python, "oip_datatypes.py")),
      get("config", "/v2/models/add_sub/config"),
      get("config-version", "/v2/models/add_sub/versions/1/config"),
      get("config-stream", "/v2/models/stream/config"),
      get("config-batched", "/v2/models/batched/config"),
      get("config-unknown", "/v2/models/nobody/config"),
      get("stats", "/v2/models/digits/stats"),
      get("stream-model", "/v2/models/stream"),
      post("index", "/v2/repository/index"),
      post("infer-broken", "/v2/models/broken/infer", { inputs: [] }),
      post("infer-decoupled", "/v2/models/stream/infer", {
        inputs: [{ name: "count", datatype: "INT32", shape: [1], data: [2] }],
      }),
      post("infer-timeout-text", "/v2/models/batched/infer", {
        parameters: { timeout: "soon" },
        inputs: [{ name: "what", datatype: "INT32", shape: [1, 1], data: [0] }],
      }),
      post("infer-too-many-rows", "/v2/models/batched/infer", {
        inputs: [{ name: "what", datatype: "INT32", shape: [9, 1], data: Array(9).fill(0) }],
      }),
      post("load", "/v2/repository/models/digits/load"),
      post("load-unknown", "/v2/repository/models/nobody/load"),
      post("unload", "/v2/repository/models/digits/unload"),
      faulty("faulty-dies", -5),
      faulty("faulty-dead", 0),
    ],
    close: triton.close,
  };
}
