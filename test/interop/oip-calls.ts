// Calls to real servers of the Open Inference Protocol, and tensors that their models are asked with.

import type { Connection } from "../../backends/connection.ts";
import type { CallInit } from "../../core/call.ts";
import type { InferRequest, InferResponse } from "../../core/request.ts";
import { type Datatype, ELEMENT_BYTES, joinBytesElements, NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import { ask, outputsOf } from "../support/kind-door.ts";
import { liveCall } from "../support/live-door.ts";

/** A signal that nobody aborts. */
export const NEVER = new AbortController().signal;

/** Asks once and gives the whole answer. */
export async function inferOnce(
  connection: Connection,
  request: InferRequest,
  init: Partial<CallInit> = {},
): Promise<InferResponse> {
  const call = liveCall(init);
  try {
    const reply = await connection.infer(request, call);
    if (reply.kind === "whole") return reply;
    throw new Error("expected a whole reply, got a stream");
  } finally {
    call.end();
  }
}

/** The outputs of one answer. */
export async function outputsFor(connection: Connection, request: InferRequest, init: Partial<CallInit> = {}) {
  return outputsOf(await inferOnce(connection, request, init));
}

/** Bit patterns at the edges of each datatype, in two rows of two: what no careless number survives. */
export const EDGES: Readonly<Record<Exclude<Datatype, "BYTES">, string>> = {
  BOOL: "00 01 01 00",
  UINT8: "00 01 7f ff",
  UINT16: "0000 0100 ff7f ffff",
  UINT32: "00000000 01000000 ffffff7f ffffffff",
  UINT64: "0000000000000000 0100000000002000 ffffffffffffff7f ffffffffffffffff",
  INT8: "00 80 7f ff",
  INT16: "0000 0080 ff7f ffff",
  INT32: "00000000 00000080 ffffff7f ffffffff",
  INT64: "0000000000000000 0100000000002000 0000000000000080 ffffffffffffff7f",
  // -0, the least, the greatest, a third
  FP16: "0080 0100 ff7b 5535",
  BF16: "0080 0100 7f7f ab3e",
  FP32: "00000080 01000000 ffff7f7f abaaaa3e",
  FP64: "0000000000000080 0100000000000000 ffffffffffffef7f 555555555555d53f",
};

/** NaN, both infinities and a number. */
export const ODD_FP32 = "0000c07f 0000807f 000080ff 0000803f";

/** A tensor of two rows of two from its bytes in hexadecimal, named as its datatype in lower case. */
export function edge(datatype: Exclude<Datatype, "BYTES">, hex = EDGES[datatype]): Tensor {
  const data = new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));
  return { name: datatype.toLowerCase(), datatype, shape: [2, data.byteLength / ELEMENT_BYTES[datatype] / 2], data };
}

/** Texts and bytes that are no text. */
export function bytesTensor(elements: readonly (string | Uint8Array)[]): Tensor {
  const data = joinBytesElements(elements.map((element) => Buffer.from(element)));
  return { name: "bytes", datatype: "BYTES", shape: [1, elements.length], data };
}

/** The bytes of the first row of the demo's `add_sub`. */
export const ROW = Array.from({ length: 16 }, (_, index) => index);

/** A request for `add_sub`: both inputs are ROW. */
export function addSub(more: Partial<InferRequest> = {}): InferRequest {
  const data = new Uint8Array(Int32Array.from(ROW).buffer);
  const inputs = ["INPUT0", "INPUT1"].map((name): Tensor => ({ name, datatype: "INT32", shape: [1, 16], data }));
  return ask("add_sub", inputs, more);
}

/** A request for `faulty`. See test/interop/servers/python/demo.py. */
export function faulty(what: number): InferRequest {
  const data = new Uint8Array(Int32Array.of(what).buffer);
  return ask("faulty", [{ name: "what", datatype: "INT32", shape: [1], data }]);
}

/** Name, datatype, shape and bytes in hexadecimal. */
export function shown({ name, datatype, shape, data }: Tensor): readonly [string, string, readonly number[], string] {
  return [name, datatype, shape, Buffer.from(data).toString("hex")];
}

/** What `addSub` is answered. */
export const SUMS = [["OUTPUT0", ROW.map((value) => value * 2)] as const, ["OUTPUT1", ROW.map(() => 0)] as const].map(
  ([name, values]) => [name, "INT32", [1, 16], Buffer.from(Int32Array.from(values).buffer).toString("hex")],
);

/** These outputs, in this order. */
export function only(...names: readonly string[]): Pick<InferRequest, "outputs"> {
  return { outputs: names.map((name) => ({ name, parameters: NO_PARAMETERS })) };
}

/** FP32 of ones. */
export function ones(name: string, shape: readonly number[]): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return { name, datatype: "FP32", shape, data: new Uint8Array(new Float32Array(count).fill(1).buffer) };
}
