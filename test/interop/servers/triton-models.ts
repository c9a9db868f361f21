// The models of the real Triton, as its repository has them: a config.pbtxt and a model.py each.

import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SERVERS } from "./paths.ts";

interface TritonModel {
  /** The file in `triton/` that is its model.py. */
  readonly code: string;
  readonly versions: readonly string[];
  readonly config: string;
}

/** Name, datatype and dimensions, without the batch dimension where there is one. */
type Value = readonly [name: string, datatype: string, dims: string, optional?: "optional"];

/** The datatypes that `echo` has an input and an output for, named after them in lower case. */
export const ECHO_DATATYPES = [
  "BOOL",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP16",
  "BF16",
  "FP32",
  "FP64",
  "BYTES",
] as const;

const DIGITS = values({ inputs: [["image", "FP32", "1, 8, 8"]], outputs: [["probabilities", "FP32", "10"]] });

const MODELS = {
  /** Batches of at most 256 rows. */
  digits: {
    code: "onnx.py",
    versions: ["1", "2"],
    config: `max_batch_size: 256\n${DIGITS}output [{ name: "digit" data_type: TYPE_INT64 dims: [1] reshape: { shape: [] } }]\nversion_policy: { all: {} }\n`,
  },
  /** `digits` in exactly the shapes that the ONNX file has: a batch dimension of Triton's own needs one dimension more. */
  digits_as_is: {
    code: "onnx.py",
    versions: ["1", "2"],
    config: `max_batch_size: 0\n${values({
      inputs: [["image", "FP32", "-1, 1, 8, 8"]],
      outputs: [
        ["probabilities", "FP32", "-1, 10"],
        ["digit", "INT64", "-1"],
      ],
    })}version_policy: { all: {} }\nparameters: { key: "demo" value: { string_value: "digits" } }\n`,
  },
  add_sub: {
    code: "onnx.py",
    versions: ["1"],
    config: `max_batch_size: 0\n${values({
      inputs: [
        ["INPUT0", "INT32", "-1, 16"],
        ["INPUT1", "INT32", "-1, 16"],
      ],
      outputs: [
        ["OUTPUT0", "INT32", "-1, 16"],
        ["OUTPUT1", "INT32", "-1, 16"],
      ],
    })}`,
  },
  /** Every input is optional, of two dimensions, and answered under its own name. */
  echo: {
    code: "echo.py",
    versions: ["1"],
    config: `max_batch_size: 0\n${values({
      inputs: ECHO_DATATYPES.map((datatype) => [datatype.toLowerCase(), datatype, "-1, -1", "optional"] as const),
      outputs: ECHO_DATATYPES.map((datatype) => [datatype.toLowerCase(), datatype, "-1, -1"] as const),
    })}`,
  },
  faulty: {
    code: "faulty.py",
    versions: ["1"],
    config: `max_batch_size: 0\n${values({ inputs: [["what", "INT32", "-1"]], outputs: [["said", "INT32", "-1"]] })}`,
  },
  /** Decoupled. */
  stream: {
    code: "stream.py",
    versions: ["1"],
    config: `max_batch_size: 0\nmodel_transaction_policy: { decoupled: true }\n${values({
      inputs: [
        ["count", "INT32", "1"],
        ["pause_ms", "INT32", "1", "optional"],
        ["fail_at", "INT32", "1", "optional"],
      ],
      outputs: [["i", "INT32", "1"]],
    })}`,
  },
  /** Batches of up to 8, gathered for 5 ms, with room for 2 in its queue; `timeout` acts here. It waits as `faulty` does. */
  batched: {
    code: "faulty.py",
    versions: ["1"],
    config: `max_batch_size: 8
dynamic_batching: {
  preferred_batch_size: [8]
  max_queue_delay_microseconds: 5000
  default_queue_policy: { timeout_action: REJECT allow_timeout_override: true max_queue_size: 2 }
}
${values({ inputs: [["what", "INT32", "1"]], outputs: [["said", "INT32", "1"]] })}`,
  },
  /** Keeps state from request to request of a sequence. */
  sum: {
    code: "sum.py",
    versions: ["1"],
    config: `max_batch_size: 1
sequence_batching: {
  max_sequence_idle_microseconds: 5000000
  control_input: [{ name: "START" control: [{ kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] }] }]
}
${values({ inputs: [["value", "INT32", "1"]], outputs: [["total", "INT32", "1"]] })}`,
  },
  /** `y = x` times what stands in 1/factor.txt, which is 2 at first. */
  factor: {
    code: "factor.py",
    versions: ["1"],
    config: `max_batch_size: 0\n${values({ inputs: [["x", "INT32", "-1"]], outputs: [["y", "INT32", "-1"]] })}`,
  },
  /** Cannot be loaded. */
  broken: {
    code: "broken.py",
    versions: ["1"],
    config: `max_batch_size: 0\n${values({ inputs: [["x", "INT32", "1"]], outputs: [["x", "INT32", "1"]] })}`,
  },
} as const satisfies Readonly<Record<string, TritonModel>>;

export type TritonModelName = keyof typeof MODELS;

/** Writes the models into a repository folder. */
export async function writeTritonModels(repository: string, names: readonly TritonModelName[]): Promise<void> {
  for (const name of names) {
    const model: TritonModel = MODELS[name];
    for (const version of model.versions) {
      const folder = join(repository, name, version);
      await mkdir(folder, { recursive: true });
      await copyFile(join(SERVERS, "triton", model.code), join(folder, "model.py"));
      if (name === "factor") await writeFile(join(folder, "factor.txt"), "2");
    }
    const config = `name: "${name}"\nbackend: "python"\n${model.config}instance_group [{ kind: KIND_CPU }]\n`;
    await writeFile(join(repository, name, "config.pbtxt"), config);
  }
}

function values(of: { readonly inputs: readonly Value[]; readonly outputs: readonly Value[] }): string {
  const list = (word: string, all: readonly Value[]) =>
    all
      .map(([name, datatype, dims, optional]) => {
        const type = datatype === "BYTES" ? "STRING" : datatype;
        const may = optional === undefined ? "" : " optional: true";
        return `${word} [{ name: "${name}" data_type: TYPE_${type} dims: [${dims}]${may} }]\n`;
      })
      .join("");
  return list("input", of.inputs) + list("output", of.outputs);
}
