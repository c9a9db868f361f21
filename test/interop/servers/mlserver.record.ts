// What is asked of MLServer when its answers are recorded.

import { post, type Recorded } from "../support/questions.ts";
import { isMissing, type Missing } from "../support/venv.ts";
import { datatypeMessages, OIP_JSON } from "./datatype-questions.ts";
import { startMlServer } from "./mlserver.ts";
import { oipMessages } from "./oip-messages.ts";
import { OIP_QUESTIONS } from "./oip-questions.ts";

/** Starts it and says what to ask; what unloads a model comes last. */
export async function recorded(): Promise<Recorded | Missing> {
  const server = await startMlServer();
  if (isMissing(server)) return server;
  const echo = { inputs: [{ name: "x", datatype: "FP16", shape: [2], data: [1.5, -2] }] };
  return {
    version: server.version,
    ports: { http: server.http, grpc: server.grpc },
    private: [],
    questions: [
      ...OIP_QUESTIONS,
      ...(await oipMessages(server.python, "plain")),
      ...OIP_JSON,
      ...(await datatypeMessages(server.python, "oip_datatypes.py")),
      post("infer-echo-fp16", "/v2/models/echo/infer", echo),
      post("infer-stream", "/v2/models/echo/infer_stream", echo),
      post("index", "/v2/repository/index", {}),
      post("index-no-body", "/v2/repository/index"),
      post("load-unknown", "/v2/repository/models/nobody/load"),
      post("unload", "/v2/repository/models/add_sub/unload"),
      post("load", "/v2/repository/models/add_sub/load"),
    ],
    close: server.close,
  };
}
