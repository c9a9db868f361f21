// Every kind of external server with what was recorded from the real one: how it is opened, what it is asked, what that comes to.

import type { Code, Origin, Retryable } from "../../core/error.ts";
import type { InferRequest } from "../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import { plain } from "../support/gateway-oip.ts";
import { answerBytes, type RecordedHttp, recordings } from "../support/recorded-format.ts";

/** An output: its name, datatype, shape and numbers. */
export type Shown = readonly [name: string, datatype: string, shape: readonly number[], numbers: readonly number[]];

/** A recorded answer and what a caller hears of it. */
export type RecordedFault = readonly [recording: string, code: Code, origin: Origin, retryable: Retryable];

export interface ExternalRow {
  /** The kind's word. */
  readonly kind: string;
  /** Whose recordings, and over what. */
  readonly server: string;
  readonly over: "http" | "grpc";
  /** The words of the config beside `endpoints`; the port is that of the recorded `management` port. */
  readonly words: (management: number) => object;
  readonly inputs: readonly Tensor[];
  readonly model: string;
  /** Its version as Sluice shows it. */
  readonly version: string;
  readonly expected: () => readonly Shown[];
  /** The recording of that answer, and the questions that are such: by their path. */
  readonly usual: string;
  readonly asks: RegExp;
  /** The recording for a question that wants the last output only, where the server looks at that. */
  readonly oneOutput?: string;
  readonly faults: readonly RecordedFault[];
  /** What the kind does not keep to yet: the test of it must fail until it does. */
  readonly notYet?: readonly "content type"[];
  /** The server ends the connection after each answer. */
  readonly closes?: boolean;
}

const ROW = Array.from({ length: 16 }, (_, index) => index);

const ADD_SUB = {
  model: "add_sub",
  version: "1",
  inputs: ["INPUT0", "INPUT1"].map((name) => plain(name, "INT32", [1, 16], ROW)),
  expected: (): readonly Shown[] => [
    ["OUTPUT0", "INT32", [1, 16], ROW.map((x) => 2 * x)],
    ["OUTPUT1", "INT32", [1, 16], ROW.map(() => 0)],
  ],
} as const;

const int32 = (name: string) => ({ name, datatype: "INT32", shape: [-1, 16] });
const ADD_SUB_SIGNATURE = {
  inputs: ["INPUT0", "INPUT1"].map(int32),
  outputs: ["OUTPUT0", "OUTPUT1"].map(int32),
};

const PIXELS = [1, 2].flatMap((pixel) => Array<number>(64).fill(pixel));
const IMAGES = [plain("image", "FP32", [2, 1, 8, 8], PIXELS)];
const DIGITS_SIGNATURE = {
  inputs: [{ name: "image", datatype: "FP32", shape: [-1, 1, 8, 8] }],
  outputs: [
    { name: "probabilities", datatype: "FP32", shape: [-1, 10] },
    { name: "digit", datatype: "INT64", shape: [-1] },
  ],
};

interface Prediction {
  readonly probabilities: readonly number[];
  readonly digit: number;
}

/** The JSON document in a recorded answer. */
function recorded<T>(server: string, name: string): T {
  const recording = recordings(server).find((one) => one.name === name) as RecordedHttp;
  const text = `${answerBytes(recording)}`;
  return JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4)) as T;
}

function digits(server: string, name: string): readonly Shown[] {
  const { predictions } = recorded<{ readonly predictions: readonly Prediction[] }>(server, name);
  return [
    ["probabilities", "FP32", [2, 10], predictions.flatMap((one) => one.probabilities)],
    ["digit", "INT64", [2], predictions.map((one) => one.digit)],
  ];
}

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
    ...{ usual: "infer", asks: /^POST \/predictions\/digits(\/1\.0)?$/ },
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
    ...{ kind: "bentoml", server: "bentoml", over: "http", ...ADD_SUB, notYet: ["content type"] },
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
    ...{ kind: "litserve", server: "litserve", over: "http", ...ADD_SUB, notYet: ["content type"] },
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
      notYet: ["content type"],
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

/** The row's question. */
export function requestOf(row: ExternalRow, more: Partial<InferRequest> = {}): InferRequest {
  return {
    model: { name: row.model, select: { by: "default" } },
    task: "infer",
    inputs: row.inputs,
    parameters: NO_PARAMETERS,
    stream: false,
    ...more,
  };
}
