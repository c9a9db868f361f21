// The small messages of GRPCInferenceService: health, metadata, statistics, the repository and its settings, as tables.

import { InferError } from "../core/error.ts";
import type { ModelMetadata, TensorSpec } from "../core/model.ts";
import { isDatatype } from "../core/tensor.ts";
import type { OipModelMetadata } from "./oip-metadata.ts";
import {
  BOOL,
  BYTES,
  INT64,
  type Message,
  many,
  mapOf,
  maybe,
  message,
  one,
  TEXT,
  UINT32,
  UINT64,
} from "./protobuf-table.ts";

/** The service as most servers have it. */
export const OIP_SERVICE = "inference.GRPCInferenceService";
/** The same service as TorchServe names it. */
export const TORCHSERVE_SERVICE = "org.pytorch.serve.grpc.openinference.GRPCInferenceService";

/** A message without fields. */
export const NOTHING = message({});

/** ServerLiveResponse. */
export const SERVER_LIVE = message({ live: one(1, BOOL) });
/** ServerReadyResponse and ModelReadyResponse. */
export const READY = message({ ready: one(1, BOOL) });
/** ModelReadyRequest, ModelMetadataRequest, ModelConfigRequest and ModelStatisticsRequest. */
export const MODEL_NAME = message({ name: one(1, TEXT), version: one(2, TEXT) });
/** ServerMetadataResponse. */
export const SERVER_METADATA = message({ name: one(1, TEXT), version: one(2, TEXT), extensions: many(3, TEXT) });

const TENSOR_METADATA = message({ name: one(1, TEXT), datatype: one(2, TEXT), shape: many(3, INT64) });

/**
 * ModelMetadataResponse. Field 6 is left out: it is a map of texts in the protocol and one of parameters in MLServer.
 */
export const MODEL_METADATA = message({
  name: one(1, TEXT),
  versions: many(2, TEXT),
  platform: one(3, TEXT),
  inputs: many(4, TENSOR_METADATA),
  outputs: many(5, TENSOR_METADATA),
});

/** Writes ModelMetadataResponse. */
export function encodeModelMetadata(model: ModelMetadata): Uint8Array {
  const spec = ({ name, datatype, shape }: TensorSpec) => ({ name, datatype, shape: shape.map(BigInt) });
  const { name, versions, platform, inputs, outputs } = model;
  return MODEL_METADATA.encode({ name, versions, platform, inputs: inputs.map(spec), outputs: outputs.map(spec) });
}

/** Reads ModelMetadataResponse. @throws InferError bad-backend for a message that is something else */
export function decodeModelMetadata(bytes: Uint8Array): OipModelMetadata {
  const { inputs, outputs, ...rest } = decodeAnswer(MODEL_METADATA, bytes);
  const spec = (word: string) => (tensor: (typeof inputs)[number]) => {
    const { name, datatype, shape } = tensor;
    if (!isDatatype(datatype)) {
      const got = JSON.stringify(datatype.slice(0, 24));
      throw new InferError(
        "bad-backend",
        `the backend's answer: expected a datatype for ${word} "${name}", got ${got}`,
      );
    }
    return { name, datatype, shape: shape.map((size) => (size < 0n ? -1 : Number(size))) };
  };
  return { ...rest, inputs: inputs.map(spec("input")), outputs: outputs.map(spec("output")) };
}

/** Reads a message from a backend. @throws InferError bad-backend for bytes that are no such message */
export function decodeAnswer<T>(table: Message<T>, bytes: Uint8Array): T {
  try {
    return table.decode(bytes);
  } catch (error) {
    const said = error instanceof InferError ? error.message : "unreadable";
    throw new InferError("bad-backend", `the backend's answer cannot be read: ${said}`, { cause: error });
  }
}

const DURATION = message({ count: one(1, UINT64), ns: one(2, UINT64) });
const BATCH_STATISTICS = message({
  batch_size: one(1, UINT64),
  compute_input: maybe(2, DURATION),
  compute_infer: maybe(3, DURATION),
  compute_output: maybe(4, DURATION),
});
const RESPONSE_STATISTICS = message({
  compute_infer: maybe(1, DURATION),
  compute_output: maybe(2, DURATION),
  success: maybe(3, DURATION),
  fail: maybe(4, DURATION),
  empty_response: maybe(5, DURATION),
  cancel: maybe(6, DURATION),
});
const INFER_STATISTICS = message({
  success: maybe(1, DURATION),
  fail: maybe(2, DURATION),
  queue: maybe(3, DURATION),
  compute_input: maybe(4, DURATION),
  compute_infer: maybe(5, DURATION),
  compute_output: maybe(6, DURATION),
  cache_hit: maybe(7, DURATION),
  cache_miss: maybe(8, DURATION),
});
const MODEL_STATISTICS = message({
  name: one(1, TEXT),
  version: one(2, TEXT),
  last_inference: one(3, UINT64),
  inference_count: one(4, UINT64),
  execution_count: one(5, UINT64),
  inference_stats: maybe(6, INFER_STATISTICS),
  batch_stats: many(7, BATCH_STATISTICS),
  memory_usage: many(8, message({ type: one(1, TEXT), id: one(2, INT64), byte_size: one(3, UINT64) })),
  response_stats: mapOf(9, TEXT, RESPONSE_STATISTICS),
});
/** ModelStatisticsResponse. Source: Triton, grpc_service.proto, as all that follows. */
export const STATISTICS = message({ model_stats: many(1, MODEL_STATISTICS) });

/** RepositoryIndexRequest. */
export const INDEX_REQUEST = message({ repository_name: one(1, TEXT), ready: one(2, BOOL) });
/** RepositoryIndexResponse. */
export const INDEX = message({
  models: many(1, message({ name: one(1, TEXT), version: one(2, TEXT), state: one(3, TEXT), reason: one(4, TEXT) })),
});

const REPOSITORY_PARAMETER = message({
  bool_param: maybe(1, BOOL),
  int64_param: maybe(2, INT64),
  string_param: maybe(3, TEXT),
  bytes_param: maybe(4, BYTES),
});
/** RepositoryModelLoadRequest and RepositoryModelUnloadRequest, as Triton numbers them. */
export const REPOSITORY_REQUEST = message({
  repository_name: one(1, TEXT),
  model_name: one(2, TEXT),
  parameters: mapOf(3, TEXT, REPOSITORY_PARAMETER),
});
/** The same requests as KServe numbers them. */
export const KSERVE_REPOSITORY_REQUEST = message({ model_name: one(1, TEXT) });
/** The answers to both; KServe's say more, Triton's nothing. */
export const REPOSITORY_ANSWER = message({ model_name: one(1, TEXT), done: one(2, BOOL) });

/**
 * Reads a request to load or unload, from clients of either numbering: KServe's have the model's name where Triton's
 * have the repository's.
 */
export function decodeRepositoryRequest(bytes: Uint8Array) {
  const request = REPOSITORY_REQUEST.decode(bytes);
  if (request.model_name !== "") return request;
  return { ...request, model_name: request.repository_name, repository_name: "" };
}

/** TraceSettingRequest and, without its model, TraceSettingResponse. */
export const TRACE_SETTING = message({
  settings: mapOf(1, TEXT, message({ value: many(1, TEXT) })),
  model_name: one(2, TEXT),
});
/** LogSettingsRequest and LogSettingsResponse. */
export const LOG_SETTINGS = message({
  settings: mapOf(
    1,
    TEXT,
    message({ bool_param: maybe(1, BOOL), uint32_param: maybe(2, UINT32), string_param: maybe(3, TEXT) }),
  ),
});

/** The requests that name a region of shared memory: status (all regions, when empty) and unregister. */
export const REGION_NAME = message({ name: one(1, TEXT) });
const SYSTEM_REGION = { name: one(1, TEXT), key: one(2, TEXT), offset: one(3, UINT64), byte_size: one(4, UINT64) };
/** SystemSharedMemoryRegisterRequest. */
export const SYSTEM_REGISTER = message(SYSTEM_REGION);
/** SystemSharedMemoryStatusResponse. */
export const SYSTEM_STATUS = message({ regions: mapOf(1, TEXT, message(SYSTEM_REGION)) });
/** CudaSharedMemoryRegisterRequest. */
export const CUDA_REGISTER = message({
  name: one(1, TEXT),
  raw_handle: one(2, BYTES),
  device_id: one(3, INT64),
  byte_size: one(4, UINT64),
});
/** CudaSharedMemoryStatusResponse. */
export const CUDA_STATUS = message({
  regions: mapOf(1, TEXT, message({ name: one(1, TEXT), device_id: one(2, UINT64), byte_size: one(3, UINT64) })),
});
