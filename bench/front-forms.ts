// One tensor as the clients of each front send it.

import type { Tensor } from "../core/tensor.ts";
import { encodeNpy } from "../wire/npy.ts";
import { runNow } from "../wire/sliced.ts";
import { encodeRequest } from "../wire/tfs-proto.ts";
import { predictionsRequest, SERVICE } from "../wire/torchserve-proto.ts";
import { askFor, type FrontAsk } from "./front-ask.ts";
import { post } from "./http-bytes.ts";

/** The model that answers with its input, and the same one with KServe's V1 for its dialect. */
export const MODEL = "echo";
export const V1_MODEL = "echo-v1";

/** A request as one front takes it. */
export interface FrontForm {
  readonly name: string;
  readonly over: "http" | "grpc";
  readonly ask: FrontAsk;
}

/** The forms that carry a tensor's bytes as they are: the first over HTTP and the first over gRPC are OIP's. */
export function binaryForms(x: Tensor): readonly FrontForm[] {
  const { datatype, shape, data } = x;
  const endpoint = `/endpoints/${MODEL}/invocations`;
  const npy = Buffer.concat(encodeNpy({ datatype, shape, data }));
  const tfs = encodeRequest({ model: { name: MODEL, signature: "" }, inputs: [x], outputs: [] }, { form: "content" });
  return [
    { name: "oip-rest, binary", over: "http", ask: askFor({ model: MODEL, inputs: [x], over: "http" }) },
    {
      name: "sagemaker, NPY both ways",
      over: "http",
      ask: {
        path: endpoint,
        bytes: typed(endpoint, npy, { "content-type": "application/x-npy", accept: "application/x-npy" }),
      },
    },
    { name: "oip-grpc, raw", over: "grpc", ask: askFor({ model: MODEL, inputs: [x], over: "grpc" }) },
    {
      name: "tfs-grpc, tensor_content",
      over: "grpc",
      ask: { path: "/tensorflow.serving.PredictionService/Predict", bytes: runNow(tfs) },
    },
  ];
}

/** The forms that write a tensor of FP32 and rank 2 as text. */
export function textForms({ shape, data }: Tensor): readonly FrontForm[] {
  const values = [...new Float32Array(Uint8Array.from(data).buffer)];
  const [rows = 0, columns = 0] = shape;
  const matrix = Array.from({ length: rows }, (_, i) => values.slice(i * columns, (i + 1) * columns));
  const http = (name: string, path: string, body: unknown): FrontForm => ({
    name,
    over: "http",
    ask: { path, bytes: typed(path, Buffer.from(JSON.stringify(body)), { "content-type": "application/json" }) },
  });
  const csv = Buffer.from(matrix.map((row) => `${row.join()}\n`).join(""));
  const endpoint = `/endpoints/${MODEL}/invocations`;
  const input = { name: "x", shape, datatype: "FP32", data: values };
  const prediction = { model: MODEL, version: "", sequenceId: undefined };
  const instances = { instances: matrix };
  return [
    http("oip-rest, JSON", `/v2/models/${MODEL}/infer`, { inputs: [input] }),
    http("generate", `/v2/models/${MODEL}/generate`, { x: matrix }),
    http("tfs-rest, row", `/v1/models/${MODEL}:predict`, instances),
    http("tfs-rest, column", `/v1/models/${MODEL}:predict`, { inputs: matrix }),
    http("kserve-v1", `/v1/models/${V1_MODEL}:predict`, instances),
    http("torchserve", `/predictions/${MODEL}`, instances),
    http("sagemaker, JSON", endpoint, instances),
    {
      name: "sagemaker, CSV",
      over: "http",
      ask: { path: endpoint, bytes: typed(endpoint, csv, { "content-type": "text/csv" }) },
    },
    {
      name: "torchserve-grpc",
      over: "grpc",
      ask: {
        path: `${SERVICE}/Predictions`,
        bytes: predictionsRequest.encode({
          ...prediction,
          input: new Map([["data", Buffer.from(JSON.stringify(instances))]]),
        }),
      },
    },
  ];
}

function typed(path: string, bytes: Uint8Array, headers: Readonly<Record<string, string>>): Uint8Array {
  return post(path, { bytes, headers });
}
