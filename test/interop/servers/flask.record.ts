// What is asked of the Flask service when its answers are recorded.

import { get, post, postBytes, type Recorded } from "../support/questions.ts";
import { isMissing, type Missing } from "../support/venv.ts";
import { bareQuestions, columnQuestions } from "./datatype-questions.ts";
import { startFlask } from "./flask.ts";

const ROWS = [Array.from({ length: 16 }, (_, index) => index)];
const IMAGES = [1, 2].map((pixel) => [Array.from({ length: 8 }, () => Array(8).fill(pixel))]);

/** Starts it and says what to ask. */
export async function recorded(): Promise<Recorded | Missing> {
  const server = await startFlask();
  if (isMissing(server)) return server;
  const csv = `${IMAGES.map((image) => image.flat(2).join(",")).join("\n")}\n`;
  return {
    version: server.version,
    ports: { http: server.http },
    private: [],
    questions: [
      get("health", "/health"),
      post("infer", "/predict/add_sub", { INPUT0: ROWS, INPUT1: ROWS }),
      post("infer-digits", "/predict/digits?version=1", { image: IMAGES }),
      post("infer-missing-input", "/predict/add_sub", { INPUT0: ROWS }),
      post("infer-malformed", "/predict/add_sub", '{"INPUT0": ['),
      postBytes("infer-no-json", "/predict/add_sub", { type: "text/plain", body: Buffer.from("x") }),
      postBytes("echo", "/echo", { type: "image/jpeg", body: Uint8Array.of(0xff, 0xd8, 0xff) }),
      ...columnQuestions("/predict/echo"),
      ...bareQuestions("invoke-", (datatype) => `/models/echo-${datatype}/invoke`),
      post("faulty", "/faulty", { what: [0] }),
      post("faulty-raises", "/faulty", { what: [-1] }),
      post("faulty-empty", "/faulty", { what: [-2] }),
      post("faulty-refuses", "/faulty", { status: 422 }),
      post("faulty-busy", "/faulty", { status: 429 }),
      post("faulty-unavailable", "/faulty", { status: 503 }),
      post("no-such-path", "/nothing/here", {}),
      get("wrong-method", "/predict/add_sub"),
      get("stream", "/stream?count=3"),
      get("ping", "/ping"),
      post("invocations", "/invocations", { instances: IMAGES }),
      postBytes("invocations-csv", "/invocations", { type: "text/csv", body: Buffer.from(csv) }),
      postBytes("invocations-unsupported", "/invocations", { type: "image/jpeg", body: Buffer.from("x") }),
      get("models", "/models"),
      get("model", "/models/digits-1"),
      get("model-unknown", "/models/nobody"),
      post("invoke", "/models/digits-1/invoke", { instances: IMAGES }),
      post("invoke-unknown", "/models/nobody/invoke", { instances: IMAGES }),
    ],
    close: server.close,
  };
}
