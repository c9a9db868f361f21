// Mistakes of clients that a real server answers with a 5xx, or silently makes something else of, and what they get here.

import { deflateSync } from "node:zlib";
import { bytesField, varint, varintField } from "./matrix-protobuf.ts";

/** Where the real server is described: the section of its kind, as seen running or read in its source. */
export interface Mistake {
  readonly server: string;
  readonly mistake: string;
  /** What that server does. */
  readonly there: string;
  /** The status here: HTTP's, or gRPC's word. */
  readonly here: number | "INVALID_ARGUMENT" | "UNIMPLEMENTED" | "NOT_FOUND";
  readonly sent: HttpSent | GrpcSent;
}

export interface HttpSent {
  readonly path: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface GrpcSent {
  readonly method: string;
  readonly message: Uint8Array;
}

const JSON_HEADERS = { "content-type": "application/json" };
const post = (path: string, body: string | Uint8Array, headers: Readonly<Record<string, string>> = JSON_HEADERS) => ({
  path,
  body,
  headers,
});

const infer = (body: string, model = "floats") => post(`/v2/models/${model}/infer`, body);
const input = (rest: string) => `{"inputs":[{"name":"x",${rest}}]}`;
const sound = `"shape":[1,2],"datatype":"FP32","data":[1,2]`;

function modelInfer(raws: readonly Uint8Array[], contents: readonly Uint8Array[] = []): Uint8Array {
  const dims = Buffer.concat([varint(1n), varint(2n)]);
  const tensor = [bytesField(1, "x"), bytesField(2, "FP32"), bytesField(3, dims), ...contents];
  const message = [bytesField(1, "floats"), bytesField(5, Buffer.concat(tensor))];
  return Buffer.concat([...message, ...raws.map((raw) => bytesField(7, raw))]);
}

/** A PredictRequest of an INT32 [1,2] with these fields of values. */
function predict(...values: readonly Uint8Array[]): Uint8Array {
  const dims = Buffer.concat([1n, 2n].map((size) => bytesField(2, varintField(1, size))));
  const tensor = Buffer.concat([varintField(1, 3n), bytesField(2, dims), ...values]);
  const entry = Buffer.concat([bytesField(1, "x"), bytesField(2, tensor)]);
  return Buffer.concat([bytesField(1, bytesField(1, "ints")), bytesField(2, entry)]);
}

const triton = (mistake: string, there: string, sent: Mistake["sent"], here: Mistake["here"] = 400): Mistake => ({
  ...{ server: "Triton", mistake, there, here, sent },
});
const kserve = (mistake: string, there: string, sent: Mistake["sent"], here: Mistake["here"] = 400): Mistake => ({
  ...{ server: "KServe", mistake, there, here, sent },
});
const mlserver = (mistake: string, there: string, sent: Mistake["sent"], here: Mistake["here"] = 400): Mistake => ({
  ...{ server: "MLServer", mistake, there, here, sent },
});
const tfs = (mistake: string, there: string, sent: Mistake["sent"], here: Mistake["here"] = 400): Mistake => ({
  ...{ server: "TF Serving", mistake, there, here, sent },
});
const torchserve = (mistake: string, there: string, sent: Mistake["sent"], here: Mistake["here"] = 400): Mistake => ({
  ...{ server: "TorchServe", mistake, there, here, sent },
});

const V1 = "/v1/models";
const PREDICT = "/tensorflow.serving.PredictionService/Predict";
const PREDICTIONS = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions";
const FLOATS = Buffer.alloc(8);
const two = (number: number) => bytesField(number, Buffer.concat([varint(1n), varint(2n)]));

export const MISTAKES: readonly Mistake[] = [
  triton("malformed JSON", "500", infer("{")),
  triton("no `inputs`", "500", infer("{}")),
  triton("an input without a name", "500", infer(`{"inputs":[{${sound}}]}`)),
  triton("an input without a shape", "500", infer(input('"datatype":"FP32","data":[1,2]'))),
  triton("an input without a datatype", "500", infer(input('"shape":[1,2],"data":[1,2]'))),
  triton("a member of another JSON type", "500", infer(input('"shape":"1","datatype":"FP32","data":[1,2]'))),
  triton("a negative dimension", "500", infer(input('"shape":[-1,2],"datatype":"FP32","data":[1,2]'))),
  triton(
    "another number of elements than the shape's",
    "500",
    infer(input('"shape":[1,2],"datatype":"FP32","data":[1]')),
  ),
  triton(
    "an integer beyond the datatype",
    "wraps it",
    infer(input('"shape":[1,2],"datatype":"INT8","data":[300,0]'), "bytes"),
  ),
  triton(
    "an INT32 of 2^31",
    "wraps it",
    infer(input('"shape":[1,2],"datatype":"INT32","data":[2147483648,0]'), "ints"),
  ),
  triton("a `timeout` that is a text", "500", infer(`{"parameters":{"timeout":"x"},${input(sound).slice(1)}`)),
  triton("a negative `timeout`", "500", infer(`{"parameters":{"timeout":-1},${input(sound).slice(1)}`)),
  triton(
    "an unknown Content-Encoding",
    "501",
    post("/v2/models/floats/infer", deflateSync(input(sound)), { ...JSON_HEADERS, "content-encoding": "zstd" }),
    415,
  ),
  triton("infer of a model that answers in a stream", "501", infer(input(sound), "stream")),
  triton(
    "more raw contents than inputs, over gRPC",
    "ignores them",
    { method: "ModelInfer", message: modelInfer([FLOATS, FLOATS]) },
    "INVALID_ARGUMENT",
  ),
  kserve("a dimension below 0, V2", "takes it", infer(input('"shape":[-1,-2],"datatype":"FP32","data":[1,2]'))),
  kserve(
    "an input that stands twice, V2",
    "takes it",
    infer(`{"inputs":[{"name":"x",${sound}},{"name":"x",${sound}}]}`),
  ),
  kserve(
    "bytes behind the binary tensors, V2",
    "ignores them",
    post("/v2/models/floats/infer", `${input(sound)}rest`, {
      "content-type": "application/octet-stream",
      "inference-header-content-length": `${input(sound).length}`,
    }),
  ),
  kserve("NaN in an answer, V1", "writes `null`", post(`${V1}/nan:predict`, '{"instances":[[1,2]]}')),
  mlserver("null among numbers", "500", infer(input('"shape":[1,2],"datatype":"FP32","data":[1,null]'))),
  mlserver("a text among numbers", "500", infer(input('"shape":[1,2],"datatype":"FP32","data":[1,"2"]'))),
  tfs("FP16 in JSON columns", "501", post(`${V1}/halves:predict`, '{"inputs":[[1,2]]}')),
  tfs("a JSON integer beyond INT8", "wraps it", post(`${V1}/bytes:predict`, '{"instances":[[300,0]]}')),
  tfs("text behind the JSON value", "ignores it", post(`${V1}/floats:predict`, '{"instances":[[1,2]]} x')),
  tfs(
    "values in another datatype's field of a TensorProto",
    "takes zeros",
    { method: PREDICT, message: predict(two(10)) },
    "INVALID_ARGUMENT",
  ),
  tfs(
    "more values than the shape's in a TensorProto",
    "cuts them",
    { method: PREDICT, message: predict(two(7), two(7)) },
    "INVALID_ARGUMENT",
  ),
  torchserve(
    "a body that the model cannot read",
    "503, as its handler fails",
    post("/predictions/floats", '{"instances":[["a"]]}'),
  ),
  torchserve(
    "an unknown model, over gRPC",
    "INTERNAL",
    {
      method: PREDICTIONS,
      message: Buffer.concat([
        bytesField(1, "nope"),
        bytesField(3, Buffer.concat([bytesField(1, "data"), bytesField(2, "[1]")])),
      ]),
    },
    "NOT_FOUND",
  ),
];

/** The rows of the table in docs/protocols.md. */
export function mistakesText(): string {
  const rows = MISTAKES.map(({ server, mistake, there, here }) => `| ${server} | ${mistake} | ${there} | ${here} |`);
  return ["| server | mistake | there | here |", "|---|---|---|---|", ...rows].join("\n");
}
