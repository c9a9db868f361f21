// What is asked of KServe when its answers are recorded, over v1 and v2.

import { get, post, postBytes, type Recorded } from "../support/questions.ts";
import { isMissing, type Missing } from "../support/venv.ts";
import { datatypeMessages, OIP_BINARY, rowQuestions } from "./datatype-questions.ts";
import { startKServe } from "./kserve.ts";
import { oipMessages } from "./oip-messages.ts";
import { OIP_QUESTIONS } from "./oip-questions.ts";

const INSTANCES = [1, 2].map((pixel) => [Array.from({ length: 8 }, () => Array(8).fill(pixel))]);

/** Starts it and says what to ask. */
export async function recorded(): Promise<Recorded | Missing> {
  const server = await startKServe();
  if (isMissing(server)) return server;
  return {
    version: server.version,
    ports: { http: server.http, grpc: server.grpc },
    private: [],
    questions: [
      ...OIP_QUESTIONS,
      ...(await oipMessages(server.python, "plain")),
      ...OIP_BINARY,
      ...(await datatypeMessages(server.python, "oip_datatypes.py")),
      ...rowQuestions("v1-", "/v1/models/echo:predict"),
      get("v1-echo-model", "/v1/models/echo"),
      get("root", "/"),
      get("models", "/v2/models"),
      get("digits_v1-model", "/v2/models/digits_v1"),
      get("digits_v1-ready", "/v2/models/digits_v1/ready"),
      postBytes("infer-no-type", "/v2/models/add_sub/infer", {
        type: "application/octet-stream",
        body: Buffer.from("{}"),
      }),
      post("load-unknown", "/v2/repository/models/nobody/load"),
      get("v1-models", "/v1/models"),
      get("v1-model", "/v1/models/digits"),
      get("v1-model-not-ready", "/v1/models/slow"),
      get("v1-model-unknown", "/v1/models/nobody"),
      post("v1-predict", "/v1/models/digits:predict", { instances: INSTANCES }),
      post("v1-predict-echo", "/v1/models/echo:predict", {
        instances: [
          [1, 2],
          [3, 4],
        ],
      }),
      post("v1-explain", "/v1/models/echo:explain", { instances: ["a"] }),
      post("v1-unknown-model", "/v1/models/nobody:predict", { instances: [1] }),
      post("v1-not-ready", "/v1/models/slow:predict", { instances: [1] }),
      post("v1-malformed", "/v1/models/digits:predict", '{"instances": ['),
      post("v1-no-instances", "/v1/models/digits:predict", {}),
      post("v1-wrong-shape", "/v1/models/digits:predict", { instances: [[1, 2, 3]] }),
      post("v1-nan", "/v1/models/echo:predict", '{"instances": [NaN]}'),
      post("v1-no-explainer", "/v1/models/digits:explain", { instances: INSTANCES }),
      postBytes("v1-charset", "/v1/models/echo:predict", {
        type: "application/json; charset=utf-8",
        body: Buffer.from('{"instances": [1]}'),
      }),
      post("v1-faulty", "/v1/models/faulty:predict", { instances: [0] }),
      post("v1-faulty-raises", "/v1/models/faulty:predict", { instances: [-1] }),
      post("v1-faulty-empty", "/v1/models/faulty:predict", { instances: [-2] }),
    ],
    close: server.close,
  };
}
