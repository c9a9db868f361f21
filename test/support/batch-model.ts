// The model of batch tests: y = 3x + 1 for INT32 rows, each row's first value as text, and one value that it refuses.

import { invalid } from "../../core/error.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { InferRequest, InferResponse } from "../../core/request.ts";
import { joinBytesElements, type Tensor } from "../../core/tensor.ts";
import { wholeReply } from "./scripted.ts";

export const METADATA: ModelMetadata = {
  name: "m",
  version: "1",
  versions: ["1"],
  platform: "test",
  stateful: false,
  batchDim: 0,
  inputs: [{ name: "x", datatype: "INT32", shape: [-1, -1] }],
  outputs: [
    { name: "y", datatype: "INT32", shape: [-1, -1] },
    { name: "text", datatype: "BYTES", shape: [-1] },
  ],
};

/** An INT32 tensor of one row for each value. */
export function rowsOfInts(values: readonly number[], width = 1): Tensor {
  const data = new Int32Array(values.flatMap((value) => Array.from({ length: width }, (_, i) => value + i)));
  return { name: "x", datatype: "INT32", shape: [values.length, width], data: bytesOf(data) };
}

export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

export function intsOf({ data }: Tensor): readonly number[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: data.byteLength / 4 }, (_, i) => view.getInt32(4 * i, true));
}

/** A value that the model refuses, and with it the batch that it is in. */
export const POISON = -7;

/** What the model answers: y = 3x + 1, and each row's first value as text. */
export function answerTo(request: InferRequest): InferResponse {
  const [x] = request.inputs;
  if (x === undefined) throw invalid("expected an input, got none");
  const ints = intsOf(x);
  if (ints.includes(POISON)) throw invalid("poison");
  const y = { ...x, name: "y", data: bytesOf(new Int32Array(ints.map((value) => 3 * value + 1))) };
  const [rows = 0, width = 1] = x.shape;
  const words = Array.from({ length: rows }, (_, i) => new TextEncoder().encode(`<${ints[i * width]}>`));
  const text: Tensor = { name: "text", datatype: "BYTES", shape: [rows], data: joinBytesElements(words) };
  return wholeReply("m", "1", { outputs: [y, text] });
}
