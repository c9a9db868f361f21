// Exact bytes of GRPCInferenceService, both ways, as Google's protobuf and tritonclient's stubs write them
// (make_oip_grpc.py).

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { InferRequest, InferResponse } from "../../../core/request.ts";
import { joinBytesElements, NO_PARAMETERS, type Tensor } from "../../../core/tensor.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from "../../../wire/oip-proto.ts";
import { MODEL_CONFIG_ANSWER } from "../../../wire/oip-proto-config.ts";
import {
  CUDA_REGISTER,
  decodeModelMetadata,
  decodeRepositoryRequest,
  encodeModelMetadata,
  INDEX,
  LOG_SETTINGS,
  MODEL_NAME,
  READY,
  REPOSITORY_REQUEST,
  SERVER_METADATA,
  STATISTICS,
  SYSTEM_REGISTER,
  SYSTEM_STATUS,
  TRACE_SETTING,
} from "../../../wire/oip-proto-service.ts";
import { decodeStreamPart, encodeStreamError, encodeStreamPart } from "../../../wire/oip-proto-stream.ts";
import { type Message, plain } from "../../../wire/protobuf-table.ts";
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

const SMALL: readonly (readonly [string, Message<unknown>, unknown])[] = [
  ["name and version", MODEL_NAME, { name: "digits", version: "3" }],
  ["ready", READY, { ready: true }],
  ["server metadata", SERVER_METADATA, { name: "triton", version: "2.51.0", extensions: ["a", "b"] }],
  [
    "statistics",
    STATISTICS,
    {
      model_stats: [
        {
          name: "m",
          version: "1",
          last_inference: 1700000000000,
          inference_count: 6,
          execution_count: 3,
          inference_stats: { success: { count: 6, ns: 2 ** 40 } },
          batch_stats: [{ batch_size: 2, compute_infer: { count: 3, ns: 0 } }],
          memory_usage: [],
          response_stats: { 0: { success: { count: 6, ns: 0 } } },
        },
      ],
    },
  ],
  [
    "index",
    INDEX,
    {
      models: [
        { name: "m", version: "1", state: "READY", reason: "" },
        { name: "gone", version: "", state: "UNAVAILABLE", reason: "unloaded" },
      ],
    },
  ],
  [
    "load",
    REPOSITORY_REQUEST,
    {
      repository_name: "",
      model_name: "m",
      parameters: { config: { string_param: "{}" }, "file:1/model.onnx": { bytes_param: "YWI=" } },
    },
  ],
  [
    "trace setting",
    TRACE_SETTING,
    { settings: { trace_level: { value: ["TIMESTAMPS", "TENSORS"] } }, model_name: "m" },
  ],
  [
    "log settings",
    LOG_SETTINGS,
    {
      settings: {
        log_file: { string_param: "" },
        log_info: { bool_param: false },
        log_verbose_level: { uint32_param: 2 },
      },
    },
  ],
  ["system register", SYSTEM_REGISTER, { name: "r", key: "/k", offset: 8, byte_size: 64 }],
  ["system status", SYSTEM_STATUS, { regions: { r: { name: "r", key: "", offset: 0, byte_size: 64 } } }],
  ["cuda register", CUDA_REGISTER, { name: "r", raw_handle: "aA==", device_id: 1, byte_size: 4 }],
];

describe("a small message", () => {
  test.each(SMALL)("%s is read and written", (name, table, value) => {
    const read = table.decode(golden(name));
    expect(plain(read)).toEqual(value);
    expect(hex(table.encode(read as Partial<unknown>))).toBe(messages[name]);
  });

  test("model metadata is read and written", () => {
    const metadata = decodeModelMetadata(golden("model metadata"));
    expect(metadata).toEqual({
      name: "digits",
      versions: ["1", "3"],
      platform: "onnxruntime_onnx",
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4] }],
      outputs: [{ name: "y", datatype: "INT64", shape: [-1] }],
    });
    expect(hex(encodeModelMetadata({ ...metadata, version: "3", stateful: false }))).toBe(messages["model metadata"]);
  });

  test("a model's config is read and written", () => {
    const read = MODEL_CONFIG_ANSWER.decode(golden("model config"));
    expect(plain(read.config)).toMatchObject({
      name: "seq",
      max_batch_size: 8,
      version_policy: { latest: { num_versions: 1 } },
      input: [{ name: "x", data_type: "TYPE_FP32", dims: [-1, 4], optional: true, format: "FORMAT_NONE" }],
      output: [{ name: "y", data_type: "TYPE_STRING", dims: [1], label_filename: "l.txt" }],
      instance_group: [{ kind: "KIND_CPU", count: 2, gpus: [0] }],
      sequence_batching: {
        oldest: { max_candidate_sequences: 4, preferred_batch_size: [2, 4] },
        max_sequence_idle_microseconds: 5000000,
        control_input: [{ name: "START", control: [{ kind: "CONTROL_SEQUENCE_START", fp32_false_true: [0, 1] }] }],
      },
      model_transaction_policy: { decoupled: true },
      parameters: { k: { string_value: "v" } },
      optimization: { cuda: { graph_spec: [{ batch_size: 1, input: { x: { dim: [1, 2] } } }] } },
      response_cache: { enable: false },
    });
    expect(hex(MODEL_CONFIG_ANSWER.encode(read))).toBe(messages["model config"]);
  });

  test("a request to load is read in KServe's numbering too, where the model stands first", () => {
    expect(decodeRepositoryRequest(golden("load")).model_name).toBe("m");
    expect(decodeRepositoryRequest(Buffer.from("0a016d", "hex"))).toMatchObject({
      model_name: "m",
      repository_name: "",
    });
  });
});
