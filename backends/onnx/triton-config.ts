// What a config.pbtxt of Triton's says of a local model, and what it asks for that cannot be done here.

import type { Datatype } from "../../core/tensor.ts";
import { isDatatype } from "../../core/tensor.ts";
import { readTextFormat, type TextMessage, type TextValue } from "../../wire/pbtxt.ts";
import type { ModelSettings } from "./options.ts";
import { type BatchWish, readDynamicBatching } from "./triton-batch.ts";

/** A tensor as the config declares it: without the dimension of rows. */
export interface DeclaredTensor {
  readonly name: string;
  readonly datatype: Datatype | undefined;
  readonly dims: readonly number[];
  /** The shape that the model itself has, where it is another than clients see. */
  readonly reshape: readonly number[] | undefined;
  /** The file with the names of an output's values. */
  readonly labels: string | undefined;
}

/** A model's config.pbtxt. */
export interface TritonConfig {
  readonly settings: ModelSettings;
  /** 0 where a request is one item; undefined where nothing is said of rows and tensors. */
  readonly maxBatchSize: number | undefined;
  readonly inputs: readonly DeclaredTensor[];
  readonly outputs: readonly DeclaredTensor[];
  /** The model's file in its version's folder. */
  readonly fileName: string | undefined;
  /** What dynamic_batching asks for. */
  readonly batch: BatchWish | undefined;
  /** What is asked for and not done, in words for the operator; answers are the same without it. */
  readonly ignored: readonly string[];
}

/** Fields that are read. */
const READ: ReadonlySet<string> = new Set([
  "name",
  "platform",
  "backend",
  "max_batch_size",
  "input",
  "output",
  "version_policy",
  "instance_group",
  "default_model_filename",
  "dynamic_batching",
]);

/** Fields without which answers are the same, and what to do instead. */
const IGNORED: Readonly<Record<string, string>> = {
  optimization: "graphOptimization and executionProviders of config.yaml are the like of it",
  model_warmup: "warmUp of config.yaml is the like of it",
  response_cache: "answers are kept where the gateway's config says cache",
  parameters: "parameters of a backend are Triton's own",
  metric_tags: "metrics have the gateway's labels",
  model_metrics: "metrics are the gateway's",
  runtime: "models are run by onnxruntime-node",
  cc_model_filenames: "it is about GPUs",
};

/**
 * Reads the text of a config.pbtxt. Without a version policy the newest version is served, as by Triton.
 *
 * @param folder the model's folder, whose name the config's must be
 * @throws Error naming what cannot be read, or what would change answers and cannot be done
 */
export function readTritonConfig(text: string, folder: string): TritonConfig {
  const config = readTextFormat(text);
  const name = one(config, "name")?.text;
  if (name !== undefined && name !== folder) throw new Error(`name: expected "${folder}" as the folder, got "${name}"`);
  checkRuntime(config);
  const ignored: string[] = [];
  for (const field of config.keys()) {
    if (READ.has(field)) continue;
    const instead = IGNORED[field];
    if (instead === undefined) throw new Error(`${field} is not supported for local models`);
    ignored.push(`${field} is ignored: ${instead}`);
  }
  const maxBatchSize = whole(config, "max_batch_size") ?? (config.has("input") ? 0 : undefined);
  if (maxBatchSize !== undefined && maxBatchSize < 0)
    throw new Error(`max_batch_size: expected at least 0, got ${maxBatchSize}`);
  const [batching] = messages(config, "dynamic_batching");
  const batch = batching === undefined ? undefined : readDynamicBatching(batching, maxBatchSize);
  ignored.push(...(batch?.ignored ?? []));
  const workers = instances(config, ignored);
  const fileName = one(config, "default_model_filename")?.text;
  if (fileName !== undefined && !/^[^/\\\0]+$/.test(fileName))
    throw new Error("default_model_filename: expected the name of a file");
  return {
    settings: { versionPolicy: versionPolicy(config), ...(workers === undefined ? {} : { workers }) },
    maxBatchSize,
    inputs: messages(config, "input").map((each) => tensor(each, "input")),
    outputs: messages(config, "output").map((each) => tensor(each, "output")),
    fileName,
    batch: batch?.wish,
    ignored,
  };
}

function checkRuntime(config: TextMessage): void {
  const platform = one(config, "platform")?.text ?? "";
  const backend = one(config, "backend")?.text ?? "";
  if (platform !== "" && platform !== "onnxruntime_onnx")
    throw new Error(`platform: expected "onnxruntime_onnx", got "${platform}"`);
  if (backend !== "" && backend !== "onnxruntime") throw new Error(`backend: expected "onnxruntime", got "${backend}"`);
}

function versionPolicy(config: TextMessage): NonNullable<ModelSettings["versionPolicy"]> {
  const [policy] = messages(config, "version_policy");
  if (policy === undefined) return { latest: 1 };
  if (policy.has("all")) return "all";
  const [latest] = messages(policy, "latest");
  if (latest !== undefined) return { latest: whole(latest, "num_versions") ?? 1 };
  const [specific] = messages(policy, "specific");
  if (specific === undefined) throw new Error("version_policy: expected all, latest or specific");
  return { specific: numbers(specific, "versions").map(String) };
}

/** All groups together; what says which device is ignored, unless it is a GPU, which is not there. */
function instances(config: TextMessage, ignored: string[]): number | undefined {
  const groups = messages(config, "instance_group");
  if (groups.length === 0) return undefined;
  for (const group of groups) {
    const kind = one(group, "kind")?.word ?? "KIND_AUTO";
    if (kind === "KIND_GPU") ignored.push("instance_group: KIND_GPU is ignored: models run on the CPU");
    const others = [...group.keys()].filter((field) => !["name", "kind", "count"].includes(field));
    if (others.length > 0) ignored.push(`instance_group: ${others.join(", ")} ignored`);
  }
  return groups.reduce((sum, group) => sum + (whole(group, "count") ?? 1), 0);
}

const TENSOR_READ: ReadonlySet<string> = new Set([
  "name",
  "data_type",
  "dims",
  "reshape",
  "label_filename",
  "format",
  "optional",
]);

function tensor(fields: TextMessage, side: string): DeclaredTensor {
  const name = one(fields, "name")?.text;
  if (name === undefined || name === "") throw new Error(`${side}: expected a name, got none`);
  for (const field of fields.keys()) {
    if (!TENSOR_READ.has(field)) throw new Error(`${side} "${name}": ${field} is not supported for local models`);
  }
  const word = (one(fields, "data_type")?.word ?? "").replace(/^TYPE_/, "");
  const datatype = word === "STRING" ? "BYTES" : word;
  const [reshape] = messages(fields, "reshape");
  return {
    name,
    datatype: isDatatype(datatype) ? datatype : undefined,
    dims: numbers(fields, "dims"),
    reshape: reshape === undefined ? undefined : numbers(reshape, "shape"),
    labels: one(fields, "label_filename")?.text,
  };
}

/** The last value of a field that stands once, whichever of its forms it has. */
function one(fields: TextMessage, field: string): { readonly text?: string; readonly word?: string } | undefined {
  const value = fields.get(field)?.at(-1);
  if (value === undefined) return undefined;
  if (value.kind === "text") return { text: value.text };
  if (value.kind === "word") return { word: value.word };
  throw new Error(`${field}: expected a text or a word`);
}

function messages(fields: TextMessage, field: string): readonly TextMessage[] {
  return (fields.get(field) ?? []).map((value) => {
    if (value.kind === "message") return value.fields;
    throw new Error(`${field}: expected a message`);
  });
}

function numbers(fields: TextMessage, field: string): readonly number[] {
  return (fields.get(field) ?? []).map((value) => numberOf(value, field));
}

function whole(fields: TextMessage, field: string): number | undefined {
  return numbers(fields, field).at(-1);
}

function numberOf(value: TextValue, field: string): number {
  const number = value.kind === "number" ? Number(value.number) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new Error(`${field}: expected a whole number`);
}
