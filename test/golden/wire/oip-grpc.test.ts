// Exact bytes of GRPCInferenceService, both ways, as Google's protobuf and tritonclient's stubs write them
// (make_oip_grpc.py).

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { InferRequest, InferResponse } from "../../../core/request.ts";
import { joinBytesElements, NO_PARAMETERS, type Tensor } from "../../../core/tensor.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from "../../../wire/oip-proto.ts";
import { decodeStreamPart, encodeStreamError, encodeStreamPart } from "../../../wire/oip-proto-stream.ts";
import { runNow } from "../../../wire/sliced.ts";

const { messages } = JSON.parse(readFileSync(new URL("./oip-grpc.json", import.meta.url), "utf8")) as {
  messages: Record<string, string>;
};
const golden = (name: string): Buffer => Buffer.from(messages[name]!, "hex");
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const texts = (...elements: readonly Uint8Array[]) => joinBytesElements(elements);
const sameTensor = (tensor: Tensor) => ({ ...tensor, data: hex(tensor.data) });
const tensor = (
  name: string,
  datatype: Tensor["datatype"],
  shape: readonly number[],
  data: ArrayBufferView,
): Tensor => ({
  name,
  datatype,
  shape,
  data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
});

const X = tensor("x", "FP32", [2, 2], Float32Array.of(0.5, -0, Number.NaN, 1e30));
const S = tensor("s", "BYTES", [2], texts(Buffer.from("a"), Buffer.from([0, 0xff])));

describe("tritonclient's request", () => {
  test("is read: its tensors as views, its reserved parameters apart", () => {
    const message = golden("request by tritonclient");
    const read = runNow(decodeRequest(message, { limits }));
    expect(read.model).toEqual({ name: "digits", version: "3" });
    expect(read.inputs.map(sameTensor)).toEqual([X, S].map(sameTensor));
    expect(read.inputs.every(({ data }) => data.buffer === message.buffer)).toBe(true);
    expect(read.outputs).toEqual([
      { name: "y", parameters: new Map([["classification", 3n]]) },
      { name: "z", parameters: new Map() },
    ]);
    expect([...read.parameters]).toEqual([
      ["flag", true],
      ["half", 0.5],
      ["text", "t"],
      ["whole", -4n],
    ]);
    expect(read.hints).toEqual({
      id: "7",
      timeoutMs: 0.5,
      priority: 2,
      sequence: { id: 9n, start: true, end: false },
      sluice: new Map(),
    });
    expect([read.contents, read.emptyFinal]).toEqual(["raw", false]);
  });

  test("is what encodeRequest writes, but for priority, which goes as int64", () => {
    const { model, inputs, outputs, parameters, hints } = runNow(
      decodeRequest(golden("request by tritonclient"), { limits }),
    );
    const written = runNow(
      encodeRequest(ask(inputs, { outputs, parameters }), { model, id: "7", hints, contents: "raw" }),
    );
    // the same fields, their maps in another order
    const theirs = messages["request by tritonclient"]!.replace(
      "08" + "7072696f726974791202" + "2802",
      "08" + "7072696f726974791202" + "1002",
    );
    expect(pieces(hex(written))).toEqual(pieces(theirs));
  });
});

// the entries of the map that is field 4, sorted; all else as it stands
function pieces(message: string): readonly string[] {
  const bytes = Buffer.from(message, "hex");
  const entries: string[] = [];
  let rest = "";
  for (let at = 0; at < bytes.length; ) {
    const field = bytes.subarray(at, at + 2 + bytes[at + 1]!);
    if (bytes[at] === 0x22) entries.push(hex(field));
    else rest += hex(field);
    at += field.length;
  }
  return [...entries.sort(), rest];
}

function ask(
  inputs: readonly Tensor[],
  more: { [K in "outputs" | "parameters"]?: InferRequest[K] | undefined } = {},
): InferRequest {
  const { outputs, parameters = NO_PARAMETERS } = more;
  const model = { name: "m", select: { by: "default" as const } };
  return { model, task: "infer", inputs, parameters, stream: false, ...(outputs === undefined ? {} : { outputs }) };
}

describe("typed contents", () => {
  const TYPED: readonly Tensor[] = [
    tensor("bool", "BOOL", [2], Uint8Array.of(1, 0)),
    tensor("i8", "INT8", [2], Int8Array.of(-128, 127)),
    tensor("i16", "INT16", [2], Int16Array.of(-32768, 32767)),
    tensor("i32", "INT32", [2], Int32Array.of(-(2 ** 31), 2 ** 31 - 1)),
    tensor("i64", "INT64", [2], BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)),
    tensor("u8", "UINT8", [2], Uint8Array.of(0, 255)),
    tensor("u16", "UINT16", [2], Uint16Array.of(128, 65535)),
    tensor("u32", "UINT32", [2], Uint32Array.of(2 ** 31, 2 ** 32 - 1)),
    tensor("u64", "UINT64", [2], BigUint64Array.of(2n ** 63n, 2n ** 64n - 1n)),
    tensor("f32", "FP32", [2], Float32Array.of(0.1, Number.NEGATIVE_INFINITY)),
    tensor("f64", "FP64", [2], Float64Array.of(0.1, Number.NaN)),
    tensor("bytes", "BYTES", [2], texts(Buffer.alloc(0), Buffer.from("é"))),
  ];

  test("are read for every datatype that has them, at its edges", () => {
    const read = runNow(decodeRequest(golden("typed request"), { limits }));
    expect(read.inputs.map(sameTensor)).toEqual(TYPED.map(sameTensor));
    expect(read.contents).toBe("typed");
  });

  test("are what encodeRequest writes", () => {
    const written = runNow(encodeRequest(ask(TYPED), { model: { name: "m" }, contents: "typed" }));
    expect(hex(written)).toBe(messages["typed request"]);
  });
});

describe("an answer", () => {
  const outputs = [
    tensor("y", "FP32", [1, 2], Float32Array.of(1, 2)),
    tensor("none", "INT64", [0, 4], new Uint8Array(0)),
    tensor("s", "BYTES", [1], texts(Buffer.from("a"))),
  ];
  const response: InferResponse = {
    kind: "whole",
    model: { name: "digits", version: "3" },
    outputs,
    parameters: new Map([["big", 2n ** 64n - 1n]]),
  };
  const read = {
    modelName: "digits",
    modelVersion: "3",
    id: "7",
    final: true,
    parameters: response.parameters,
    outputs: outputs.map(sameTensor),
  };

  test("is read, with the word about its stream apart", () => {
    const got = runNow(decodeResponse(golden("answer"), { limits }));
    expect({ ...got, outputs: got.outputs.map(sameTensor) }).toEqual(read);
  });

  test("is what encodeResponse writes, alone and on a stream", () => {
    const answer = { id: "7", contents: "raw", final: true } as const;
    expect(hex(runNow(encodeResponse(response, answer)))).toBe(messages.answer);
    expect(hex(runNow(encodeStreamPart(response, answer)))).toBe(messages["stream answer"]);
  });

  test("is read from a stream, as is an error, which is written alike", () => {
    const part = runNow(decodeStreamPart(golden("stream answer"), { limits }));
    if (part.kind !== "answer") throw new Error("no answer");
    expect({ ...part.response, outputs: part.response.outputs.map(sameTensor) }).toEqual(read);
    const error = { kind: "error", message: "no such thing", id: "7" };
    expect(runNow(decodeStreamPart(golden("stream error"), { limits }))).toEqual(error);
    expect(hex(encodeStreamError("no such thing", "7"))).toBe(messages["stream error"]);
  });
});
