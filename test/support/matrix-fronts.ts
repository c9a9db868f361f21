// The clients of the matrix: each front of the registry in each form that its clients have, written apart from wire/.

import type { WireReply } from "../../core/protocol.ts";
import { json, LENGTH, type Read, type Sent, wholeBody } from "./matrix-client.ts";
import { OIP_GRPC, PREDICT, writeOip, writePredict } from "./matrix-grpc.ts";
import { flat, nested, parseTree, readNest, type Tree } from "./matrix-json.ts";
import { csv, form, jsonLines, readCsv, readLines } from "./matrix-lines.ts";
import { NPY_HEADERS, npy, readNpy } from "./matrix-npy.ts";
import { bytesField, payloadsOf } from "./matrix-protobuf.ts";
import type { Value } from "./matrix-values.ts";

/** One row of the matrix. */
export interface MatrixFront {
  /** The protocol's name in the registry. */
  readonly protocol: string;
  readonly form: string;
  /** The route, as the registry has it. */
  readonly path: string;
  /** Whose the model is, on the paths that protocols share. */
  readonly dialect?: "kserve-v1" | "tf-serving";
  send(value: Value, model: string): Sent;
  read(reply: WireReply, value: Value): Read;
}

const member = (tree: Tree | undefined, key: string | number): Tree => {
  const found = (tree as Readonly<Record<string, Tree>>)[key];
  if (found === undefined) throw new Error(`expected "${key}" in ${JSON.stringify(tree)}`);
  return found;
};

const head = ({ shape, datatype }: Value) => `"name":"x","shape":[${shape}],"datatype":"${datatype}"`;

function readOip(reply: WireReply, value: Value): Read {
  const body = wholeBody(reply);
  const length = reply.headers[LENGTH] === undefined ? body.byteLength : Number(reply.headers[LENGTH]);
  const output = member(member(parseTree(body.subarray(0, length)), "outputs"), 0);
  const shape = (member(output, "shape") as readonly string[]).map((size) => Number(size.slice(1)));
  const datatype = member(output, "datatype") as string;
  if (length < body.byteLength) return { datatype, shape, data: body.subarray(length) };
  const data = (output as { readonly data?: Tree }).data;
  return { datatype, shape, data: data === undefined ? new Uint8Array(0) : readNest(data, value).data };
}

// what has no elements has no sizes behind its first 0 in a nest of lists: a client sees as much of the shape as there is
function nestOf(tree: Tree, value: Value): Read {
  const read = readNest(tree, value);
  const empty = value.shape.indexOf(0);
  const isCut = empty >= 0 && `${read.shape}` === `${value.shape.slice(0, empty + 1)}`;
  return isCut ? { ...read, shape: value.shape } : read;
}

const rows =
  (key: string): MatrixFront["read"] =>
  (reply, value) =>
    nestOf(member(parseTree(wholeBody(reply)), key), value);

// a form is answered as an object of outputs, or as its only one
const readOnly = (tree: Tree, value: Value): Read =>
  nestOf(tree !== null && typeof tree === "object" && !Array.isArray(tree) ? Object.values(tree)[0]! : tree, value);

const V1 = {
  send: (value: Value) => json('{"instances":', nested(value, "b64"), "}"),
  read: rows("predictions"),
};

/** An entry of TorchServe's map of inputs. */
const partOf = (body: Uint8Array) => Buffer.concat([bytesField(1, "data"), bytesField(2, body)]);

const TFS = { protocol: "tfs-rest", path: "/v1/models/:model/versions/:version:predict" };
const OIP = { protocol: "oip-rest", path: "/v2/models/:model/infer", read: readOip } as const;
const TORCHSERVE_GRPC = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions";

/** In the order of the table. */
export const FRONTS: readonly MatrixFront[] = [
  {
    ...{ ...OIP, form: "JSON" },
    send: (value) => json(`{"inputs":[{${head(value)},"data":`, flat(value, "raw"), "}]}"),
  },
  {
    ...{ ...OIP, form: "binary" },
    send(value) {
      const input = `{${head(value)},"parameters":{"binary_data_size":${value.data.byteLength}}}`;
      const text = `{"parameters":{"binary_data_output":true},"inputs":[${input}]}`;
      const headers = { "content-type": "application/octet-stream", [LENGTH]: `${text.length}` };
      return { headers, body: Buffer.concat([Buffer.from(text), value.data]) };
    },
  },
  {
    ...{ ...OIP_GRPC, form: "raw" },
    send: (value, model) => ({ body: writeOip(value, model, "raw") }),
  },
  {
    ...{ ...OIP_GRPC, form: "typed" },
    send: (value, model) => ({ body: writeOip(value, model, "typed") }),
  },
  {
    ...{ ...TFS, form: "column" },
    send: (value) => json('{"inputs":', nested(value, "b64"), "}"),
    read: rows("outputs"),
  },
  { ...TFS, form: "row", ...V1 },
  {
    ...{ ...PREDICT, form: "tensor_content" },
    send: (value, model) => ({ body: writePredict(value, model, "content") }),
  },
  {
    ...{ ...PREDICT, form: "typed" },
    send: (value, model) => ({ body: writePredict(value, model, "typed") }),
  },
  { protocol: "v1-models", form: "KServe V1", path: "/v1/models/:model:predict", dialect: "kserve-v1", ...V1 },
  { protocol: "v1-models", form: "TF Serving", path: "/v1/models/:model:predict", dialect: "tf-serving", ...V1 },
  {
    ...{ protocol: "torchserve", form: "JSON", path: "/predictions/:model" },
    send: V1.send,
    read: (reply, value) => nestOf(parseTree(wholeBody(reply)), value),
  },
  {
    ...{ protocol: "torchserve", form: "a form", path: "/predictions/:model" },
    send: form,
    read: (reply, value) => readOnly(parseTree(wholeBody(reply)), value),
  },
  {
    ...{ protocol: "torchserve-grpc", form: "JSON", path: TORCHSERVE_GRPC },
    send: (value, model) => ({
      body: Buffer.concat([bytesField(1, model), bytesField(3, partOf(V1.send(value).body))]),
    }),
    read: (reply, value) => nestOf(parseTree(payloadsOf(wholeBody(reply), 1)[0]!), value),
  },
  { protocol: "sagemaker", form: "JSON", path: "/endpoints/:endpoint/invocations", ...V1 },
  {
    ...{ protocol: "sagemaker", form: "NPY", path: "/endpoints/:endpoint/invocations" },
    send: (value) => ({ headers: NPY_HEADERS, body: npy(value) }),
    read: readNpy,
  },
  {
    ...{ protocol: "sagemaker", form: "CSV", path: "/endpoints/:endpoint/invocations" },
    send: csv,
    read: (reply, value) => nestOf(readCsv(reply, value), value),
  },
  {
    ...{ protocol: "sagemaker", form: "JSON Lines", path: "/endpoints/:endpoint/invocations" },
    send: jsonLines,
    read: (reply, value) => nestOf(readLines(reply), value),
  },
  { protocol: "sagemaker-container", form: "JSON", path: "/models/:model/invoke", ...V1 },
];

/** Protocols that carry no tensors of a model, or none on paths of their own. */
export const OTHERS: Readonly<Record<string, string>> = {
  "kserve-v1": "its :predict stands under v1-models; :explain passes payloads on as they are",
  "grpc-health": "health only",
  "grpc-reflection": "descriptors only",
  openapi: "a document",
};
