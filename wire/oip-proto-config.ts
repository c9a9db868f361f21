// Triton's ModelConfig, as a table: what a model's config.pbtxt says, defaults filled in by the server.

import {
  BOOL,
  DOUBLE,
  FLOAT,
  INT32,
  INT64,
  many,
  mapOf,
  maybe,
  message,
  one,
  TEXT,
  UINT32,
  UINT64,
  type ValueOf,
  wordOf,
} from "./protobuf-table.ts";

// Numbers and names. Source: Triton, protobuf/model_config.proto.
const DATA_TYPE = wordOf([
  "TYPE_INVALID",
  "TYPE_BOOL",
  "TYPE_UINT8",
  "TYPE_UINT16",
  "TYPE_UINT32",
  "TYPE_UINT64",
  "TYPE_INT8",
  "TYPE_INT16",
  "TYPE_INT32",
  "TYPE_INT64",
  "TYPE_FP16",
  "TYPE_FP32",
  "TYPE_FP64",
  "TYPE_STRING",
  "TYPE_BF16",
]);
const INSTANCE_KIND = wordOf(["KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL"]);
const DEVICE_KIND = wordOf(["KIND_NVDLA"]);
const FORMAT = wordOf(["FORMAT_NONE", "FORMAT_NHWC", "FORMAT_NCHW"]);
const PRIORITY = wordOf(["PRIORITY_DEFAULT", "PRIORITY_MAX", "PRIORITY_MIN"]);
const TIMEOUT_ACTION = wordOf(["REJECT", "DELAY"]);
const BATCH_INPUT_KIND = wordOf([
  "BATCH_ELEMENT_COUNT",
  "BATCH_ACCUMULATED_ELEMENT_COUNT",
  "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO",
  "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE",
  "BATCH_ITEM_SHAPE",
  "BATCH_ITEM_SHAPE_FLATTEN",
]);
const BATCH_OUTPUT_KIND = wordOf(["BATCH_SCATTER_WITH_INPUT_SHAPE"]);
const CONTROL_KIND = wordOf([
  "CONTROL_SEQUENCE_START",
  "CONTROL_SEQUENCE_READY",
  "CONTROL_SEQUENCE_END",
  "CONTROL_SEQUENCE_CORRID",
]);

const RESHAPE = message({ shape: many(1, INT64) });

const INPUT = message({
  name: one(1, TEXT),
  data_type: one(2, DATA_TYPE),
  format: one(3, FORMAT),
  dims: many(4, INT64),
  reshape: maybe(5, RESHAPE),
  is_shape_tensor: one(6, BOOL),
  allow_ragged_batch: one(7, BOOL),
  optional: one(8, BOOL),
  is_non_linear_format_io: one(9, BOOL),
});

const OUTPUT = message({
  name: one(1, TEXT),
  data_type: one(2, DATA_TYPE),
  dims: many(3, INT64),
  reshape: maybe(5, RESHAPE),
  label_filename: one(4, TEXT),
  is_shape_tensor: one(6, BOOL),
  is_non_linear_format_io: one(7, BOOL),
});

const BATCH_INPUT = message({
  kind: one(1, BATCH_INPUT_KIND),
  target_name: many(2, TEXT),
  data_type: one(3, DATA_TYPE),
  source_input: many(4, TEXT),
});

const BATCH_OUTPUT = message({
  target_name: many(1, TEXT),
  kind: one(2, BATCH_OUTPUT_KIND),
  source_input: many(3, TEXT),
});

const VERSION_POLICY = message({
  latest: maybe(1, message({ num_versions: one(1, UINT32) })),
  all: maybe(2, message({})),
  specific: maybe(3, message({ versions: many(1, INT64) })),
});

const CUDA_SHAPES = mapOf(2, TEXT, message({ dim: many(1, INT64) }));

const CUDA = message({
  graphs: one(1, BOOL),
  busy_wait_events: one(2, BOOL),
  graph_spec: many(
    3,
    message({
      batch_size: one(1, INT32),
      input: CUDA_SHAPES,
      graph_lower_bound: maybe(3, message({ batch_size: one(1, INT32), input: CUDA_SHAPES })),
    }),
  ),
  output_copy_stream: one(4, BOOL),
});

/** An accelerator and an agent of the repository are the same: a name with parameters. */
const NAMED = message({ name: one(1, TEXT), parameters: mapOf(2, TEXT, TEXT) });
const ENABLED = message({ enable: one(1, BOOL) });

const OPTIMIZATION = message({
  graph: maybe(1, message({ level: one(1, INT32) })),
  priority: one(2, PRIORITY),
  cuda: maybe(3, CUDA),
  execution_accelerators: maybe(
    4,
    message({ gpu_execution_accelerator: many(1, NAMED), cpu_execution_accelerator: many(2, NAMED) }),
  ),
  input_pinned_memory: maybe(5, ENABLED),
  output_pinned_memory: maybe(6, ENABLED),
  gather_kernel_buffer_threshold: one(7, UINT32),
  eager_batching: one(8, BOOL),
});

const QUEUE_POLICY = message({
  timeout_action: one(1, TIMEOUT_ACTION),
  default_timeout_microseconds: one(2, UINT64),
  allow_timeout_override: one(3, BOOL),
  max_queue_size: one(4, UINT32),
});

const DYNAMIC_BATCHING = message({
  preferred_batch_size: many(1, INT32),
  max_queue_delay_microseconds: one(2, UINT64),
  preserve_ordering: one(3, BOOL),
  priority_levels: one(4, UINT64),
  default_priority_level: one(5, UINT64),
  default_queue_policy: maybe(6, QUEUE_POLICY),
  priority_queue_policy: mapOf(7, UINT64, QUEUE_POLICY),
});

const CONTROL = message({
  kind: one(1, CONTROL_KIND),
  int32_false_true: many(2, INT32),
  fp32_false_true: many(3, FLOAT),
  bool_false_true: many(5, BOOL),
  data_type: one(4, DATA_TYPE),
});

const INITIAL_STATE = message({
  data_type: one(1, DATA_TYPE),
  dims: many(2, INT64),
  zero_data: maybe(3, BOOL),
  data_file: maybe(4, TEXT),
  name: one(5, TEXT),
});

const STATE = message({
  input_name: one(1, TEXT),
  output_name: one(2, TEXT),
  data_type: one(3, DATA_TYPE),
  dims: many(4, INT64),
  initial_state: many(5, INITIAL_STATE),
  use_same_buffer_for_input_output: one(6, BOOL),
  use_growable_memory: one(7, BOOL),
});

const SEQUENCE_BATCHING = message({
  direct: maybe(3, message({ max_queue_delay_microseconds: one(1, UINT64), minimum_slot_utilization: one(2, FLOAT) })),
  oldest: maybe(
    4,
    message({
      max_candidate_sequences: one(1, INT32),
      preferred_batch_size: many(2, INT32),
      max_queue_delay_microseconds: one(3, UINT64),
      preserve_ordering: one(4, BOOL),
    }),
  ),
  max_sequence_idle_microseconds: one(1, UINT64),
  control_input: many(2, message({ name: one(1, TEXT), control: many(2, CONTROL) })),
  state: many(5, STATE),
  iterative_sequence: one(6, BOOL),
});

const ENSEMBLE = message({
  step: many(
    1,
    message({
      model_name: one(1, TEXT),
      model_version: one(2, INT64),
      input_map: mapOf(3, TEXT, TEXT),
      output_map: mapOf(4, TEXT, TEXT),
      model_namespace: one(5, TEXT),
    }),
  ),
  max_inflight_requests: one(2, UINT32),
});

const INSTANCE_GROUP = message({
  name: one(1, TEXT),
  kind: one(4, INSTANCE_KIND),
  count: one(2, INT32),
  rate_limiter: maybe(
    6,
    message({
      resources: many(1, message({ name: one(1, TEXT), global: one(2, BOOL), count: one(3, UINT32) })),
      priority: one(2, UINT32),
    }),
  ),
  gpus: many(3, INT32),
  secondary_devices: many(8, message({ kind: one(1, DEVICE_KIND), device_id: one(2, INT64) })),
  profile: many(5, TEXT),
  passive: one(7, BOOL),
  host_policy: one(9, TEXT),
});

const WARMUP_INPUT = message({
  data_type: one(1, DATA_TYPE),
  dims: many(2, INT64),
  zero_data: maybe(3, BOOL),
  random_data: maybe(4, BOOL),
  input_data_file: maybe(5, TEXT),
});

const METRIC_CONTROL = message({
  metric_identifier: maybe(1, message({ family: one(1, TEXT) })),
  histogram_options: maybe(2, message({ buckets: many(1, DOUBLE) })),
});

/** ModelConfig. Dimensions are without the batch's own. */
export const MODEL_CONFIG = message({
  name: one(1, TEXT),
  platform: one(2, TEXT),
  backend: one(17, TEXT),
  runtime: one(25, TEXT),
  version_policy: maybe(3, VERSION_POLICY),
  max_batch_size: one(4, INT32),
  input: many(5, INPUT),
  output: many(6, OUTPUT),
  batch_input: many(20, BATCH_INPUT),
  batch_output: many(21, BATCH_OUTPUT),
  optimization: maybe(12, OPTIMIZATION),
  dynamic_batching: maybe(11, DYNAMIC_BATCHING),
  sequence_batching: maybe(13, SEQUENCE_BATCHING),
  ensemble_scheduling: maybe(15, ENSEMBLE),
  instance_group: many(7, INSTANCE_GROUP),
  default_model_filename: one(8, TEXT),
  cc_model_filenames: mapOf(9, TEXT, TEXT),
  metric_tags: mapOf(10, TEXT, TEXT),
  parameters: mapOf(14, TEXT, message({ string_value: one(1, TEXT) })),
  model_warmup: many(
    16,
    message({
      name: one(1, TEXT),
      batch_size: one(2, UINT32),
      inputs: mapOf(3, TEXT, WARMUP_INPUT),
      count: one(4, UINT32),
    }),
  ),
  model_operations: maybe(18, message({ op_library_filename: many(1, TEXT) })),
  model_transaction_policy: maybe(19, message({ decoupled: one(1, BOOL) })),
  model_repository_agents: maybe(23, message({ agents: many(1, NAMED) })),
  response_cache: maybe(24, ENABLED),
  model_metrics: maybe(26, message({ metric_control: many(1, METRIC_CONTROL) })),
});

/** What ModelConfig says. */
export type OipModelConfig = ValueOf<typeof MODEL_CONFIG>;

/** ModelConfigResponse. */
export const MODEL_CONFIG_ANSWER = message({ config: maybe(1, MODEL_CONFIG) });
