// What is asked of TensorFlow Serving's stand-in when its answers are recorded: its JSON and statuses are the stand-in's own.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { DATATYPE_CASES } from "../../support/datatype-cases.ts";
import { type GrpcQuestion, get, type HttpQuestion, post, type Recorded, ROW } from "../support/questions.ts";
import { isMissing, type Missing } from "../support/venv.ts";
import { datatypeMessages } from "./datatype-questions.ts";
import { PYTHON } from "./paths.ts";
import { startTfServing } from "./tf-serving.ts";

const run = promisify(execFile);

const BOTH = { INPUT0: [ROW], INPUT1: [ROW] };
const M = "/v1/models";

const QUESTIONS: readonly HttpQuestion[] = [
  get("no-model", M),
  get("status", `${M}/add_sub`),
  get("status-versions", `${M}/half_plus`),
  get("status-unknown", `${M}/nobody`),
  get("metadata", `${M}/add_sub/metadata`),
  get("metadata-add_sub-version", `${M}/add_sub/versions/1/metadata`),
  get("metadata-version", `${M}/half_plus/versions/1/metadata`),
  get("metadata-label", `${M}/half_plus/labels/stable/metadata`),
  get("metadata-unknown", `${M}/nobody/metadata`),
  post("predict", `${M}/add_sub:predict`, { inputs: BOTH }),
  post("predict-rows", `${M}/add_sub:predict`, { instances: [{ INPUT0: ROW, INPUT1: ROW }] }),
  post("predict-version", `${M}/add_sub/versions/1:predict`, { inputs: BOTH }),
  post("predict-one-output", `${M}/half_plus:predict`, { instances: [1, 2, -4] }),
  post("predict-label", `${M}/half_plus/labels/stable:predict`, { inputs: [1, 2, -4] }),
  post("predict-odd", `${M}/echo:predict`, '{"inputs":[[NaN,-Infinity,-0.0,0.1]]}'),
  post("predict-text", `${M}/echo:predict`, { signature_name: "bytes", inputs: [["é", { b64: "YQ==" }]] }),
  post("predict-unknown", `${M}/nobody:predict`, { inputs: BOTH }),
  post("predict-unknown-version", `${M}/add_sub/versions/9:predict`, { inputs: BOTH }),
  post("predict-unknown-label", `${M}/half_plus/labels/nobody:predict`, { inputs: [1] }),
  post("predict-unknown-signature", `${M}/half_plus:predict`, { signature_name: "nobody", inputs: [1] }),
  post("predict-missing-input", `${M}/add_sub:predict`, { inputs: { INPUT0: [ROW] } }),
  post("predict-malformed", `${M}/add_sub:predict`, '{"inputs": ['),
  post("predict-half", `${M}/echo:predict`, { signature_name: "fp16", inputs: [[1]] }),
  post("predict-fails", `${M}/faulty:predict`, { inputs: [-1] }),
  post("classify", `${M}/half_plus:classify`, { signature_name: "classify_x", examples: [{ x: 1.5, label: "a" }] }),
  post("regress", `${M}/half_plus:regress`, '{"signature_name":"regress_x","examples":[{"x":1.5},{"x":[2.5]}]}'),
  post("regress-wrong", `${M}/half_plus:regress`, { signature_name: "serving_default", examples: [{ x: 1.5 }] }),
  get("no-such-path", "/nothing/here"),
  get("malformed-path", `${M}/add_sub:predict`),
];

// the model `echo` has a signature for each datatype
const SIGNATURES = DATATYPE_CASES.map((one) => {
  const signature = one.datatype.toLowerCase();
  const body = `{"signature_name":"${signature}","inputs":{"x":[[${one.json}]]}}`;
  return post(`datatype-${one.name}`, `${M}/echo:predict`, body);
});

/** Starts it and says what to ask. */
export async function recorded(): Promise<Recorded | Missing> {
  const server = await startTfServing({ demo: ["add_sub"] });
  if (isMissing(server)) return server;
  const { stdout } = await run(server.python, [join(PYTHON, "tfs_messages.py")], { maxBuffer: 16 * 2 ** 20 });
  return {
    version: server.version,
    ports: { http: server.http, grpc: server.grpc },
    private: [],
    questions: [
      ...QUESTIONS,
      ...(JSON.parse(stdout) as readonly GrpcQuestion[]),
      get("metadata-echo", `${M}/echo/metadata`),
      get("status-echo", `${M}/echo`),
      ...SIGNATURES,
      ...(await datatypeMessages(server.python, "tfs_datatypes.py")),
    ],
    close: server.close,
  };
}
