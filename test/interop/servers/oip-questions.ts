// What is asked of every server of the Open Inference Protocol over HTTP when its answers are recorded.

import { ADD_SUB, ADD_SUB_BINARY, get, type HttpQuestion, post, postBinary, ROW_BYTES } from "../support/questions.ts";

const ALL = ["OUTPUT0", "OUTPUT1"].map((name) => ({ name, parameters: { binary_data: true } }));
const [INPUT0, INPUT1] = ADD_SUB as [(typeof ADD_SUB)[0], (typeof ADD_SUB)[0]];

/** The `what` of `faulty`. */
export function faulty(name: string, what: number): HttpQuestion {
  return post(name, "/v2/models/faulty/infer", {
    inputs: [{ name: "what", datatype: "INT32", shape: [1], data: [what] }],
  });
}

/** Health, metadata, `add_sub` in both forms, and what goes wrong. */
export const OIP_QUESTIONS: readonly HttpQuestion[] = [
  get("live", "/v2/health/live"),
  get("ready", "/v2/health/ready"),
  get("server", "/v2"),
  get("model-ready", "/v2/models/add_sub/ready"),
  get("model-ready-version", "/v2/models/add_sub/versions/1/ready"),
  get("model-ready-unknown", "/v2/models/nobody/ready"),
  get("model", "/v2/models/add_sub"),
  get("model-version", "/v2/models/add_sub/versions/1"),
  get("model-unknown", "/v2/models/nobody"),
  get("model-unknown-version", "/v2/models/add_sub/versions/9"),
  get("model-versions", "/v2/models/digits"),
  get("digits-ready", "/v2/models/digits/ready"),
  get("echo-ready", "/v2/models/echo/ready"),
  get("echo-model", "/v2/models/echo"),
  get("faulty-model", "/v2/models/faulty"),
  get("faulty-ready", "/v2/models/faulty/ready"),
  post("infer", "/v2/models/add_sub/infer", { id: "a", inputs: ADD_SUB }),
  post("infer-version", "/v2/models/add_sub/versions/1/infer", { inputs: ADD_SUB }),
  postBinary("infer-binary", "/v2/models/add_sub/infer", {
    head: { id: "a", inputs: ADD_SUB_BINARY, outputs: ALL },
    tensors: [ROW_BYTES, ROW_BYTES],
  }),
  postBinary("infer-binary-version", "/v2/models/add_sub/versions/1/infer", {
    head: { inputs: ADD_SUB_BINARY, outputs: ALL },
    tensors: [ROW_BYTES, ROW_BYTES],
  }),
  postBinary("infer-binary-one-output", "/v2/models/add_sub/infer", {
    head: { inputs: ADD_SUB_BINARY, outputs: ALL.slice(1) },
    tensors: [ROW_BYTES, ROW_BYTES],
  }),
  post("infer-no-rows", "/v2/models/add_sub/infer", {
    inputs: ADD_SUB.map((input) => ({ ...input, shape: [0, 16], data: [] })),
  }),
  post("infer-unknown-model", "/v2/models/nobody/infer", { inputs: ADD_SUB }),
  post("infer-unknown-version", "/v2/models/add_sub/versions/9/infer", { inputs: ADD_SUB }),
  post("infer-wrong-shape", "/v2/models/add_sub/infer", {
    inputs: [{ ...INPUT0, shape: [2, 8] }, INPUT1],
  }),
  post("infer-wrong-count", "/v2/models/add_sub/infer", { inputs: [{ ...INPUT0, data: [1, 2] }, INPUT1] }),
  post("infer-wrong-datatype", "/v2/models/add_sub/infer", { inputs: [{ ...INPUT0, datatype: "FP32" }, INPUT1] }),
  post("infer-missing-input", "/v2/models/add_sub/infer", { inputs: [INPUT0] }),
  post("infer-extra-input", "/v2/models/add_sub/infer", { inputs: [...ADD_SUB, { ...INPUT0, name: "INPUT2" }] }),
  post("infer-no-inputs", "/v2/models/add_sub/infer", { inputs: [] }),
  post("infer-unknown-output", "/v2/models/add_sub/infer", { inputs: ADD_SUB, outputs: [{ name: "nothing" }] }),
  post("infer-malformed", "/v2/models/add_sub/infer", '{"inputs": ['),
  postBinary("infer-binary-short", "/v2/models/add_sub/infer", {
    head: { inputs: ADD_SUB_BINARY, outputs: ALL },
    tensors: [ROW_BYTES, ROW_BYTES.subarray(0, 10)],
  }),
  post("infer-echo", "/v2/models/echo/infer", {
    inputs: [
      { name: "fp32", datatype: "FP32", shape: [1, 3], data: [0.1, -0, 3.4028234663852886e38] },
      { name: "bytes", datatype: "BYTES", shape: [1, 2], data: ["a", "é"] },
      { name: "bool", datatype: "BOOL", shape: [1, 2], data: [true, false] },
    ],
  }),
  post(
    "infer-echo-int64",
    "/v2/models/echo/infer",
    '{"inputs":[{"name":"int64","datatype":"INT64","shape":[1,2],"data":[9007199254740993,-9223372036854775808]}]}',
  ),
  post(
    "infer-echo-nan",
    "/v2/models/echo/infer",
    '{"inputs":[{"name":"fp32","datatype":"FP32","shape":[1,3],"data":[NaN,Infinity,-Infinity]}]}',
  ),
  faulty("faulty", 0),
  faulty("faulty-raises", -1),
  faulty("faulty-empty", -2),
  faulty("faulty-misnamed", -3),
  faulty("faulty-mistyped", -4),
  post("no-such-path", "/v2/nothing/here", {}),
];
