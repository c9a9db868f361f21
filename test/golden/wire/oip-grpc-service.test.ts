// Exact bytes of the small messages of GRPCInferenceService, both ways, as Google's protobuf writes them
// (make_oip_grpc.py).

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
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
import { type Message, plain } from "../../../wire/protobuf-table.ts";

const { messages } = JSON.parse(readFileSync(new URL("./oip-grpc.json", import.meta.url), "utf8")) as {
  messages: Record<string, string>;
};
const golden = (name: string): Buffer => Buffer.from(messages[name]!, "hex");
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

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
