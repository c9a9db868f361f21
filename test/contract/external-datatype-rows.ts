// Every kind of external server and every datatype: what of it each wire carries, as recorded from the real server's identity models.

import type { ExternalRow } from "./external-row.ts";

/**
 * `exact`: what is sent comes back bit by bit. `canonical`: a NaN comes back as a NaN without its payload. `lost`: it is
 * sent as it should be, and the server has no way to say it in its answer, which is refused. `refused`: it cannot be
 * taken there, and nothing is sent; the words are those of the error behind the input's name.
 */
export type Borne = "exact" | "canonical" | "lost" | `refused: ${string}`;

/** How a datatype is asked for. */
export interface Asked {
  readonly model: string;
  readonly input: string;
  readonly output: string;
  readonly signature?: string;
  /** Words of the model in the config. */
  readonly declared?: object;
}

export interface DatatypeRow extends Pick<ExternalRow, "kind" | "server" | "over" | "model" | "words" | "asks"> {
  /** Which of the server's ports was recorded, where it is not the usual one. */
  readonly port?: string;
  readonly version?: string;
  /** How the names of its recordings begin. */
  readonly recorded: string;
  /** The datatype is in lower case. */
  readonly ask: (datatype: string) => Asked;
  /** What is not `exact`, by case. */
  readonly unlike: Readonly<Record<string, Borne>>;
}

/** The kinds without a server: test/integration/onnx/models.test.ts asks their models for each datatype. */
export const LOCAL_KINDS: readonly string[] = ["onnx"];

type Ask = DatatypeRow["ask"];
const same: Ask = (datatype) => ({ model: "echo", input: datatype, output: datatype });
const tfs: Ask = (datatype) => ({ model: "echo", input: "x", output: "y", signature: datatype });

/** With a signature in the config, for servers that do not tell one. */
function declaring(ask: Ask, more: object = {}): Ask {
  return (datatype) => {
    const asked = ask(datatype);
    const spec = { datatype: datatype.toUpperCase(), shape: [-1, -1] };
    const inputs = [{ name: asked.input, ...spec }];
    const outputs = [{ name: asked.output, ...spec }];
    return { ...asked, declared: { ...more, signature: { inputs, outputs } } };
  };
}

/** All cases of a float: its plain values, infinities, NaN with a payload. */
const all = (datatype: string, borne: Borne) => ({
  [datatype]: borne,
  [`${datatype}-odd`]: borne,
  [`${datatype}-payload`]: borne,
});
const halves = (carrier: string) => ({
  ...all("fp16", `refused: FP16 has no JSON form; ${carrier} carries it`),
  ...all("bf16", `refused: BF16 has no JSON form; ${carrier} carries it`),
});
const odd = (datatype: string, borne: Borne, payload = borne) => ({
  [`${datatype}-odd`]: borne,
  [`${datatype}-payload`]: payload,
});
const notJson = (datatype: string, carrier: string) => {
  const why = `which JSON cannot carry; ${carrier} can`;
  return odd(datatype, `refused: element 0 is Infinity, ${why}`, `refused: element 0 is NaN, ${why}`);
};
const notText = (carrier: string) =>
  ({ "bytes-odd": `refused: element 0 is not UTF-8, so JSON cannot carry it; ${carrier} can` }) as const;

/** Python's JSON has NaN and infinities. */
const PYTHON = { ...odd("fp32", "exact", "canonical"), ...odd("fp64", "exact", "canonical") };
/** It takes them, and answers with an error or null. */
const DEAF = { ...odd("fp32", "lost"), ...odd("fp64", "lost") };
const LACKS_BF16 = all(
  "bf16",
  "refused: the backend's server has no BF16; Triton's Open Inference Protocol carries it",
);

const GRPC_CARRIES = "the backend's protocol: grpc";
const TFS_CARRIES = "gRPC (protocol: grpc)";
const OIP_CARRIES = "the Open Inference Protocol";
const HALVES = halves("the Open Inference Protocol's binary form");
const NOT_TEXT = notText("the binary tensor extension (binary_data)");

type Wire = Pick<DatatypeRow, "over" | "model" | "words" | "recorded" | "ask" | "asks">;
const HTTP: Wire = {
  ...({ over: "http", model: "echo", words: () => ({}), recorded: "datatype-", ask: same } as const),
  asks: /^POST .*(infer|predict|predictions|invoke|echo)/,
};
const GRPC: Wire = {
  ...({ over: "grpc", model: "echo", words: () => ({ protocol: "grpc" }), recorded: "grpc-datatype-" } as const),
  ...{ ask: same, asks: /\/(ModelInfer|Predict|Predictions)$/ },
};

export const DATATYPE_ROWS: readonly DatatypeRow[] = [
  { kind: "triton", server: "triton", ...HTTP, unlike: {} },
  { kind: "triton", server: "triton", ...GRPC, unlike: {} },
  {
    ...{ kind: "oip", server: "mlserver", ...HTTP },
    unlike: {
      ...LACKS_BF16,
      ...notJson("fp16", GRPC_CARRIES),
      ...notJson("fp32", GRPC_CARRIES),
      ...notJson("fp64", GRPC_CARRIES),
      ...notText(GRPC_CARRIES),
    },
  },
  // it keeps what comes raw as a list of numbers
  { kind: "oip", server: "mlserver", ...GRPC, unlike: { ...LACKS_BF16, "fp16-payload": "canonical" } },
  {
    ...{ kind: "oip", server: "kserve", ...HTTP },
    unlike: {
      ...LACKS_BF16,
      "bytes-odd": `refused: element 0 is not UTF-8, which the backend's server does not read over HTTP; ${GRPC_CARRIES} carries it`,
    },
  },
  { kind: "oip", server: "kserve", ...GRPC, unlike: LACKS_BF16 },
  {
    ...{ kind: "kserve-v1", server: "kserve", ...HTTP, recorded: "v1-datatype-" },
    ask: declaring(same, { rows: "named" }),
    unlike: { ...HALVES, ...notJson("fp32", OIP_CARRIES), ...notJson("fp64", OIP_CARRIES) },
  },
  {
    ...{ kind: "torchserve", server: "torchserve", ...HTTP, version: "1.0" },
    words: (management) => ({ management }),
    ask: declaring(same),
    unlike: { ...HALVES, ...PYTHON },
  },
  {
    ...{ kind: "torchserve", server: "torchserve", ...GRPC, version: "1.0" },
    words: (management) => ({ protocol: "grpc", management }),
    ask: declaring(same),
    unlike: { ...HALVES, ...PYTHON },
  },
  {
    ...{ kind: "tf-serving", server: "tf-serving", ...HTTP, ask: tfs },
    words: () => ({ protocol: "rest" }),
    unlike: {
      ...halves(TFS_CARRIES),
      ...PYTHON,
      uint16: `refused: TF Serving's JSON has no UINT16; ${TFS_CARRIES} carries it`,
      // its answer has the bytes as they are, which is no JSON
      "bytes-odd": "lost",
    },
  },
  { kind: "tf-serving", server: "tf-serving", ...GRPC, ask: tfs, unlike: {} },
  {
    ...{ kind: "bentoml", server: "bentoml", ...HTTP, port: "datatypes", model: "echo_fp32" },
    ask: (datatype) => ({ model: `echo_${datatype}`, input: "x", output: "output" }),
    unlike: { ...HALVES, ...DEAF, ...NOT_TEXT },
  },
  {
    ...{ kind: "litserve", server: "litserve", ...HTTP, ask: declaring(same) },
    unlike: { ...HALVES, ...DEAF, ...NOT_TEXT },
  },
  {
    ...{ kind: "sagemaker", server: "flask", ...HTTP, recorded: "invoke-datatype-", model: "digits-1" },
    words: () => ({ mode: "container", multiModel: true }),
    ask: declaring((datatype) => ({ model: `echo-${datatype}`, input: "x", output: "y" })),
    unlike: { ...HALVES, ...PYTHON },
  },
  {
    ...{ kind: "http", server: "flask", ...HTTP, ask: declaring(same) },
    words: () => ({ path: "/predict/{model}", ready: { path: "/health" } }),
    unlike: { ...HALVES, ...PYTHON, ...NOT_TEXT },
  },
];
