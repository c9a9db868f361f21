// Triton's model config as JSON: made from a signature where no server has one, and turned into its message for gRPC.

import type { ModelMetadata, TensorSpec } from "../core/model.ts";
import type { Datatype } from "../core/tensor.ts";
import { MODEL_CONFIG_ANSWER, type OipModelConfig } from "./oip-proto-config.ts";

/**
 * What is said of rows where a model takes any number of them: clients take 0 for "no rows at all", and some refuse to
 * send more rows than this at once.
 */
const ANY_ROWS = 1024;

/** Triton's word for a datatype. */
export function configDatatype(datatype: Datatype): string {
  return `TYPE_${datatype === "BYTES" ? "STRING" : datatype}`;
}

/** What may be known beside the signature. */
export interface ConfigFacts {
  /** 0 where a request is one item; absent where the signature decides. */
  readonly maxBatchSize?: number;
  readonly instances?: number;
  readonly fileName?: string;
}

/** The config of a model that has none, with every member that Triton's own has. Dimensions are without the rows'. */
export function synthesizeConfig(model: ModelMetadata, facts: ConfigFacts = {}) {
  // Triton has no inputs without dimensions beside the rows: such a model takes the rows for a dimension
  const hasRows = model.batchDim === 0 && model.inputs.every(({ shape }) => shape.length > 1);
  const { maxBatchSize = hasRows ? ANY_ROWS : 0, instances = 1, fileName = "" } = facts;
  const dims = ({ shape }: TensorSpec) => (hasRows ? shape.slice(1) : shape);
  return {
    name: model.name,
    platform: model.platform,
    backend: model.platform === "onnxruntime_onnx" ? "onnxruntime" : "",
    runtime: "",
    version_policy: { all: {} },
    max_batch_size: maxBatchSize,
    input: model.inputs.map((spec) => ({
      name: spec.name,
      data_type: configDatatype(spec.datatype),
      format: "FORMAT_NONE",
      dims: dims(spec),
      is_shape_tensor: false,
      allow_ragged_batch: false,
      optional: spec.optional === true,
      is_non_linear_format_io: false,
    })),
    output: model.outputs.map((spec) => ({
      name: spec.name,
      data_type: configDatatype(spec.datatype),
      dims: dims(spec),
      label_filename: "",
      is_shape_tensor: false,
      is_non_linear_format_io: false,
    })),
    batch_input: [],
    batch_output: [],
    optimization: {
      priority: "PRIORITY_DEFAULT",
      input_pinned_memory: { enable: false },
      output_pinned_memory: { enable: false },
      gather_kernel_buffer_threshold: 0,
      eager_batching: false,
    },
    ...(model.stateful ? { sequence_batching: { direct: {} } } : {}),
    instance_group: [
      {
        name: `${model.name}_0`,
        kind: "KIND_CPU",
        count: instances,
        gpus: [],
        secondary_devices: [],
        profile: [],
        passive: false,
        host_policy: "",
      },
    ],
    default_model_filename: fileName,
    cc_model_filenames: {},
    metric_tags: {},
    parameters: {},
    model_warmup: [],
    ...(model.decoupled === true ? { model_transaction_policy: { decoupled: true } } : {}),
  };
}

/**
 * ModelConfigResponse of a config in JSON: what clients read of it (names, tensors, rows, versions, batching, instances).
 * Members that are not of their kind are left out.
 */
export function encodeConfig(config: unknown): Uint8Array {
  return MODEL_CONFIG_ANSWER.encode({ config: messageOf(config) as OipModelConfig });
}

function messageOf(config: unknown): Partial<OipModelConfig> {
  const c = map(config);
  const policy = map(c.version_policy);
  return {
    ...texts(c, ["name", "platform", "backend", "runtime", "default_model_filename"]),
    max_batch_size: Number(whole(c.max_batch_size)),
    version_policy: {
      latest: has(policy.latest) ? { num_versions: Number(whole(map(policy.latest).num_versions)) } : undefined,
      all: has(policy.all) ? {} : undefined,
      specific: has(policy.specific) ? { versions: list(map(policy.specific).versions).map(whole) } : undefined,
    },
    input: list(c.input).map((each) => tensor(each)) as unknown as OipModelConfig["input"],
    output: list(c.output).map((each) => tensor(each)) as unknown as OipModelConfig["output"],
    instance_group: list(c.instance_group).map(instances) as unknown as OipModelConfig["instance_group"],
    ...batching(c),
    ...(has(c.model_transaction_policy)
      ? { model_transaction_policy: { decoupled: map(c.model_transaction_policy).decoupled === true } }
      : {}),
    ...(has(c.response_cache) ? { response_cache: { enable: map(c.response_cache).enable === true } } : {}),
    parameters: new Map(
      Object.entries(map(c.parameters)).map(([key, value]) => [key, { string_value: text(map(value).string_value) }]),
    ),
  };
}

function tensor(value: unknown) {
  const t = map(value);
  return {
    ...texts(t, ["name", "data_type", "format", "label_filename"]),
    dims: list(t.dims).map(whole),
    ...(has(t.reshape) ? { reshape: { shape: list(map(t.reshape).shape).map(whole) } } : {}),
    optional: t.optional === true,
    is_shape_tensor: t.is_shape_tensor === true,
    allow_ragged_batch: t.allow_ragged_batch === true,
  };
}

function instances(value: unknown) {
  const group = map(value);
  return { ...texts(group, ["name", "kind"]), count: Number(whole(group.count)), gpus: list(group.gpus).map(Number) };
}

/** Whether rows are joined and sequences kept is told by these members being there. */
function batching(c: JsonMap): Partial<OipModelConfig> {
  const dynamic = map(c.dynamic_batching);
  const parts = {
    ...(has(c.dynamic_batching)
      ? {
          dynamic_batching: {
            preferred_batch_size: list(dynamic.preferred_batch_size).map(Number),
            max_queue_delay_microseconds: whole(dynamic.max_queue_delay_microseconds),
          },
        }
      : {}),
    ...(has(c.sequence_batching)
      ? {
          sequence_batching: {
            direct: {},
            max_sequence_idle_microseconds: whole(map(c.sequence_batching).max_sequence_idle_microseconds),
          },
        }
      : {}),
    ...(has(c.ensemble_scheduling) ? { ensemble_scheduling: {} } : {}),
  };
  return parts as unknown as Partial<OipModelConfig>;
}

type JsonMap = Readonly<Record<string, unknown>>;

const has = (value: unknown): boolean => value !== undefined && value !== null;
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (typeof value === "string" ? value : "");

function map(value: unknown): JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonMap) : {};
}

function texts<K extends string>(from: JsonMap, names: readonly K[]): Partial<Record<K, string>> {
  const found = names.flatMap((name) => (typeof from[name] === "string" ? [[name, from[name]] as const] : []));
  return Object.fromEntries(found) as Partial<Record<K, string>>;
}

/** 64-bit numbers stand in JSON as numbers or texts. */
function whole(value: unknown): bigint {
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  return typeof value === "string" && /^-?\d{1,19}$/.test(value) ? BigInt(value) : 0n;
}
