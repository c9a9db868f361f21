// Every kind of external server with what was recorded from the real one: how it is opened, what it is asked, what that comes to.

import type { Code } from "../../core/error.ts";
import {
  ADD_SUB,
  ADD_SUB_SIGNATURE,
  DIGITS_SIGNATURE,
  digits,
  type ExternalRow,
  IMAGES,
  recorded,
} from "./external-row.ts";

const OIP_HTTP = { over: "http", ...ADD_SUB, asks: /^POST \/v2\/models\/add_sub(\/versions\/1)?\/infer$/ } as const;
const OIP_GRPC = {
  over: "grpc",
  ...ADD_SUB,
  words: () => ({ protocol: "grpc" }),
  usual: "grpc-infer",
  asks: /\/ModelInfer$/,
} as const;

/** What a caller's mistake comes to. */
const CALLER = (code: Code) => [code, "client", "no"] as const;
/** A model that fails by itself: the cause may lie in the data, so that another endpoint would fail too. */
const MODEL = ["bad-backend", "backend", "no"] as const;
/** An answer that does not keep to what was asked: another endpoint may do better. */
const BROKEN = ["bad-backend", "backend", "elsewhere"] as const;
const BUSY = ["overloaded", "backend", "elsewhere"] as const;
/** A limit on how often or how much one asks. */
const LATER = ["overloaded", "backend", "later"] as const;
const ABSENT = ["unavailable", "backend", "elsewhere"] as const;

export const EXTERNAL_ROWS: readonly ExternalRow[] = [
  {
    ...{
      kind: "triton",
      server: "triton",
      ...OIP_HTTP,
      usual: "infer-binary",
      oneOutput: "infer-binary-one-output",
      words: () => ({}),
    },
    faults: [
      ["infer-unknown-model", ...CALLER("not-found")],
      ["infer-unknown-version", ...CALLER("not-found")],
      ["infer-wrong-shape", ...CALLER("invalid-argument")],
      ["infer-wrong-datatype", ...CALLER("invalid-argument")],
      ["infer-missing-input", ...CALLER("invalid-argument")],
      ["infer-unknown-output", ...CALLER("invalid-argument")],
      // the gateway wrote what Triton could not read
      ["infer-malformed", "internal", "gateway", "no"],
      ["infer-broken", ...ABSENT],
      ["faulty-raises", ...MODEL],
      ["faulty-empty", ...BROKEN],
      ["faulty-dies", ...BROKEN],
    ],
  },
  {
    ...{ kind: "triton", server: "triton", ...OIP_GRPC, oneOutput: "grpc-infer-one-output" },
    faults: [
      ["grpc-infer-unknown-model", ...CALLER("not-found")],
      ["grpc-infer-unknown-version", ...CALLER("not-found")],
      ["grpc-infer-wrong-datatype", ...CALLER("invalid-argument")],
      ["grpc-infer-missing-input", ...CALLER("invalid-argument")],
      ["grpc-faulty-raises", ...MODEL],
      ["grpc-faulty-empty", ...BROKEN],
    ],
  },
  {
    ...{ kind: "oip", server: "mlserver", ...OIP_HTTP, usual: "infer", words: () => ({}) },
    faults: [
      ["infer-unknown-model", ...CALLER("not-found")],
      ["infer-unknown-version", ...CALLER("not-found")],
      ["infer-malformed", "internal", "gateway", "no"],
      ["faulty-empty", ...BROKEN],
      ["faulty-mistyped", ...BROKEN],
    ],
  },
  {
    ...{ kind: "oip", server: "mlserver", ...OIP_GRPC, oneOutput: "grpc-infer-one-output" },
    faults: [
      ["grpc-infer-unknown-model", ...CALLER("not-found")],
      ["grpc-faulty-empty", ...BROKEN],
      ["grpc-faulty-misnamed", ...BROKEN],
    ],
  },
  {
    ...{
      kind: "oip",
      server: "kserve",
      ...OIP_HTTP,
      usual: "infer-binary",
      oneOutput: "infer-binary-one-output",
      words: () => ({}),
    },
    faults: [
      ["infer-unknown-model", ...CALLER("not-found")],
      ["infer-unknown-output", ...CALLER("invalid-argument")],
      ["faulty-raises", ...MODEL],
      ["infer-wrong-shape", ...MODEL],
      ["faulty-empty", ...BROKEN],
      ["faulty-misnamed", ...BROKEN],
    ],
  },
  {
    ...{ kind: "oip", server: "kserve", ...OIP_GRPC, oneOutput: "grpc-infer-one-output" },
    faults: [
      ["grpc-infer-unknown-model", ...CALLER("not-found")],
      ["grpc-faulty-empty", ...BROKEN],
    ],
  },
  {
    ...{ kind: "kserve-v1", server: "kserve", over: "http", model: "digits", version: "1", inputs: IMAGES },
    words: () => ({ models: { digits: { signature: DIGITS_SIGNATURE } } }),
    expected: () => digits("kserve", "v1-predict"),
    ...{ usual: "v1-predict", asks: /^POST \/v1\/models\/digits:predict$/ },
    faults: [
      ["v1-unknown-model", ...CALLER("not-found")],
      ["v1-malformed", ...CALLER("invalid-argument")],
      ["v1-faulty-raises", ...MODEL],
      ["v1-wrong-shape", ...MODEL],
      ["v1-faulty-empty", ...BROKEN],
    ],
  },
  {
    ...{ kind: "torchserve", server: "torchserve", over: "http", model: "digits", version: "1.0", inputs: IMAGES },
    words: (management) => ({ management, models: { digits: { signature: DIGITS_SIGNATURE } } }),
    expected: () => digits("torchserve", "infer"),
    ...{ runsOn: true, usual: "infer", asks: /^POST \/predictions\/digits(\/1\.0)?$/ },
    faults: [
      ["infer-unknown-model", ...CALLER("not-found")],
      ["infer-unknown-version", ...CALLER("not-found")],
      ["infer-no-workers", ...BUSY],
      ["faulty-raises", ...MODEL],
      ["faulty-refuses", ...CALLER("invalid-argument")],
      ["faulty-memory", ...BUSY],
      ["faulty-dies", ...BROKEN],
      ["too-large", ...CALLER("too-large")],
      ["faulty-empty", ...BROKEN],
    ],
  },
  {
    ...{ kind: "torchserve", server: "torchserve", over: "grpc", model: "digits", version: "1.0", inputs: IMAGES },
    words: (management) => ({ protocol: "grpc", management, models: { digits: { signature: DIGITS_SIGNATURE } } }),
    // the same model, whose answer over HTTP is JSON that can be read here
    expected: () => digits("torchserve", "infer"),
    ...{ runsOn: true, usual: "grpc-infer", asks: /\/Predictions$/ },
    faults: [
      ["grpc-infer-unknown-model", ...CALLER("not-found")],
      ["grpc-infer-unknown-version", ...CALLER("not-found")],
      ["grpc-faulty-raises", ...MODEL],
      ["grpc-faulty-refuses", ...CALLER("invalid-argument")],
      ["grpc-faulty-memory", ...BUSY],
      ["grpc-faulty-empty", ...BROKEN],
    ],
  },
  {
    ...{ kind: "tf-serving", server: "tf-serving", over: "http", ...ADD_SUB, words: () => ({ protocol: "rest" }) },
    ...{ usual: "predict", asks: /^POST \/v1\/models\/add_sub(\/versions\/1)?:predict$/ },
    faults: [
      ["predict-unknown", ...CALLER("not-found")],
      ["predict-unknown-version", ...CALLER("not-found")],
      ["predict-missing-input", ...CALLER("invalid-argument")],
      ["predict-unknown-signature", ...CALLER("invalid-argument")],
    ],
  },
  {
    ...{ kind: "tf-serving", server: "tf-serving", over: "grpc", ...ADD_SUB, words: () => ({ protocol: "grpc" }) },
    ...{ usual: "grpc-predict", oneOutput: "grpc-predict-some", asks: /\/Predict$/ },
    faults: [
      ["grpc-predict-unknown", ...CALLER("not-found")],
      ["grpc-predict-unknown-version", ...CALLER("not-found")],
      ["grpc-predict-missing-input", ...CALLER("invalid-argument")],
      ["grpc-predict-unknown-signature", ...CALLER("invalid-argument")],
    ],
  },
  {
    ...{ kind: "bentoml", server: "bentoml", over: "http", ...ADD_SUB },
    words: () => ({ models: { add_sub: { signature: ADD_SUB_SIGNATURE } } }),
    ...{ usual: "infer", asks: /^POST \/add_sub$/ },
    faults: [
      ["no-such-path", ...CALLER("not-found")],
      ["infer-missing-input", ...CALLER("invalid-argument")],
      ["infer-wrong-shape", ...CALLER("invalid-argument")],
      ["faulty-busy", ...LATER],
      ["faulty-unavailable", ...BUSY],
      ["faulty-raises", ...MODEL],
      ["timeout", "deadline-exceeded", "backend", "no"],
      ["faulty-empty", ...BROKEN],
    ],
  },
  {
    ...{ kind: "litserve", server: "litserve", over: "http", ...ADD_SUB },
    words: () => ({ models: { add_sub: { signature: ADD_SUB_SIGNATURE } } }),
    ...{ usual: "infer", asks: /^POST \/add_sub$/ },
    faults: [
      ["no-such-path", ...CALLER("not-found")],
      ["faulty-refuses", ...CALLER("invalid-argument")],
      ["too-large", ...CALLER("too-large")],
      ["faulty-busy", ...LATER],
      ["faulty-unavailable", ...ABSENT],
      ["faulty-raises", ...MODEL],
      ["faulty-empty", ...BROKEN],
    ],
  },
  {
    ...{
      kind: "sagemaker",
      server: "flask",
      over: "http",
      model: "digits",
      version: "1",
      inputs: IMAGES,
      closes: true,
    },
    words: () => ({
      mode: "container",
      models: { digits: { signature: { ...DIGITS_SIGNATURE, outputs: DIGITS_SIGNATURE.outputs.slice(0, 1) } } },
    }),
    expected: () => {
      const { predictions } = recorded<{ readonly predictions: readonly number[][] }>("flask", "invocations");
      return [["probabilities", "FP32", [2, 10], predictions.flat()]];
    },
    ...{ usual: "invocations", asks: /^POST \/invocations$/ },
    faults: [
      ["invocations-unsupported", ...CALLER("unsupported")],
      ["faulty-busy", ...LATER],
      ["faulty-unavailable", ...BUSY],
      ["faulty-empty", ...BROKEN],
    ],
  },
  {
    ...{ kind: "http", server: "flask", over: "http", ...ADD_SUB, closes: true },
    words: () => ({
      path: "/predict/{model}",
      response: { outputs: { OUTPUT0: "sum", OUTPUT1: "difference" } },
      ready: { path: "/health" },
      models: { add_sub: { signature: ADD_SUB_SIGNATURE } },
    }),
    ...{ usual: "infer", asks: /^POST \/predict\/add_sub$/ },
    faults: [
      ["faulty-refuses", ...CALLER("invalid-argument")],
      ["infer-malformed", ...CALLER("invalid-argument")],
      ["faulty-busy", ...LATER],
      ["faulty-unavailable", ...ABSENT],
      ["infer-missing-input", ...BROKEN],
      ["faulty-empty", ...BROKEN],
    ],
  },
];

/** The kinds of the rows. */
export const EXTERNAL_KINDS: readonly string[] = [...new Set(EXTERNAL_ROWS.map((row) => row.kind))];
