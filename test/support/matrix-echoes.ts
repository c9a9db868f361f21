// Servers that echo, one for each protocol of a backend: they move fields and pieces of text about, and decode nothing.

import { memberText } from "./matrix-json.ts";
import { bytesField, payloadsOf } from "./matrix-protobuf.ts";

/** What came over HTTP, and what goes back. */
export interface Echoed {
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}
export type HttpEcho = (asked: Echoed) => Echoed;
export type GrpcEcho = (message: Uint8Array) => Uint8Array;

const JSON_HEADERS = { "content-type": "application/json" };
const LENGTH = "inference-header-content-length";

const json = (...parts: readonly (string | Uint8Array)[]): Echoed => ({
  headers: JSON_HEADERS,
  body: Buffer.concat(parts.map((part) => Buffer.from(part))),
});

/** The Open Inference Protocol over HTTP: `inputs` become `outputs`, the blobs behind them stay as they are. */
export const oipHttpEcho: HttpEcho = ({ body, headers }) => {
  const length = headers[LENGTH] === undefined ? body.byteLength : Number(headers[LENGTH]);
  const head = json(
    '{"model_name":"m","model_version":"1","outputs":',
    memberText(body.subarray(0, length), "inputs"),
    "}",
  );
  if (headers[LENGTH] === undefined) return head;
  return {
    headers: { "content-type": "application/octet-stream", [LENGTH]: `${head.body.byteLength}` },
    body: Buffer.concat([head.body, body.subarray(length)]),
  };
};

/** The same over gRPC: ModelInferRequest's inputs 5 and raws 7 are ModelInferResponse's 5 and 6. */
export const oipGrpcEcho: GrpcEcho = (message) =>
  Buffer.concat([
    bytesField(1, "m"),
    bytesField(2, "1"),
    ...payloadsOf(message, 5).map((input) => bytesField(5, input)),
    ...payloadsOf(message, 7).map((raw) => bytesField(6, raw)),
  ]);

/** TensorFlow Serving's columns: an only input's value, as its server gives an only output; several by their names. */
export const tfsColumnEcho: HttpEcho = ({ body }) => {
  const inputs = memberText(body, "inputs");
  const text = inputs.toString("latin1").trimStart();
  const isNamed = text.startsWith('{"x"') && !text.includes(',"w":');
  return json('{"outputs":', isNamed ? memberText(inputs, "x") : inputs, "}");
};

/** Rows, as TensorFlow Serving, KServe V1 and containers for SageMaker have them. */
export const rowsEcho: HttpEcho = ({ body }) => json('{"predictions":', memberText(body, "instances"), "}");

/** TensorFlow Serving over gRPC: PredictRequest's inputs 2 are PredictResponse's outputs 1. */
export const tfsGrpcEcho: GrpcEcho = (message) =>
  Buffer.concat(payloadsOf(message, 2).map((entry) => bytesField(1, entry)));

/** A handler of TorchServe that gives a result for each of its rows. */
export const torchServeEcho: HttpEcho = ({ body }) => json(memberText(body, "instances"));

/** The same over TorchServe's gRPC: the map entry `body` of field 3 in, field 1 out. */
export const torchServeGrpcEcho: GrpcEcho = (message) => {
  const [entry] = payloadsOf(message, 3);
  const [body] = payloadsOf(entry!, 2);
  return bytesField(1, memberText(body!, "instances"));
};

/** The body as it came: an object of named values, an array of NumPy. */
export const sameEcho: HttpEcho = ({ body, headers }) => ({
  body,
  headers: { "content-type": headers["content-type"] ?? "application/json" },
});
