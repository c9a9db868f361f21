// A request that a person can paste: a model's own sample where its repository has one, else zeros in the model's shape.

import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { targetsOfModel } from "../../config/complete.ts";
import type { Config } from "../../config/config.ts";
import type { TensorSpec } from "../../core/model.ts";
import { elementCount } from "../../core/tensor.ts";
import type { ModelInfo } from "./client.ts";

/** A model and a body that it answers. */
export interface Example {
  readonly model: string;
  /** One line of JSON. */
  readonly body: string;
}

/** A line that is longer is no line to paste. */
const LONGEST_BODY = 2000;
/** Files looked at in a folder of samples. */
const MOST_SAMPLES = 20;

/** The shortest example for any of the models; undefined where none is short enough. */
export async function findExample(config: Config, models: readonly ModelInfo[]): Promise<Example | undefined> {
  const samples = await Promise.all(models.map((model) => sampleFor(config, model)));
  const real = shortest(samples.flatMap((sample) => (sample === undefined ? [] : [sample])));
  return real ?? shortest(models.flatMap(synthesize));
}

function shortest(examples: readonly Example[]): Example | undefined {
  return examples.toSorted((a, b) => a.body.length - b.body.length)[0];
}

/** A request of zeros and empty texts, each open size taken as 1; empty for a model that is too large for a line. */
export function synthesize(model: ModelInfo): readonly Example[] {
  const inputs = model.inputs.filter(({ optional }) => optional !== true).map(zeros);
  const body = inputs.includes(undefined) ? "" : JSON.stringify({ inputs });
  return body === "" || body.length > LONGEST_BODY ? [] : [{ model: model.name, body }];
}

function zeros({ name, datatype, shape: wanted }: TensorSpec): object | undefined {
  const shape = wanted.map((size) => (size === -1 ? 1 : size));
  const count = elementCount(shape);
  // JSON has no half floats
  if (count > LONGEST_BODY || datatype === "FP16" || datatype === "BF16") return undefined;
  const zero = datatype === "BYTES" ? "" : datatype === "BOOL" ? false : 0;
  return { name, shape, datatype, data: Array.from({ length: count }, () => zero) };
}

const SAMPLE = z.object({
  inputs: z.array(
    z.object({ name: z.string(), shape: z.array(z.number()), datatype: z.string(), data: z.array(z.unknown()) }),
  ),
});

async function sampleFor(config: Config, model: ModelInfo): Promise<Example | undefined> {
  const found: Example[] = [];
  for (const folder of sampleFolders(config, model.name)) {
    const files = (await namesIn(folder)).filter((name) => name.endsWith(".json")).slice(0, MOST_SAMPLES);
    for (const file of files) {
      const body = await readSample(join(folder, file), model);
      if (body !== undefined) found.push({ model: model.name, body });
    }
  }
  return shortest(found);
}

// The folders beside a local model's versions; other kinds of backend have no repository here.
function sampleFolders(config: Config, name: string): readonly string[] {
  const named = config.models?.find((model) => model.name === name);
  const targets = named === undefined ? undefined : targetsOfModel(named);
  return config.backends.flatMap((backend) => {
    const target = targets?.find((one) => one.backend === backend.name);
    if (targets !== undefined && target === undefined) return [];
    const { repository } = (backend.options ?? {}) as { readonly repository?: unknown };
    if (typeof repository !== "string") return [];
    return [join(resolve(config.baseDir, repository), target?.model ?? name, "samples")];
  });
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch {
    return []; // a repository needs no samples
  }
}

async function readSample(file: string, model: ModelInfo): Promise<string | undefined> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch {
    return undefined; // it is no sample then
  }
  const sample = SAMPLE.safeParse(value);
  if (!sample.success || !agrees(sample.data.inputs, model.inputs)) return undefined;
  const body = JSON.stringify(value);
  return body.length > LONGEST_BODY ? undefined : body;
}

function agrees(inputs: z.output<typeof SAMPLE>["inputs"], specs: readonly TensorSpec[]): boolean {
  return specs.every((spec) => {
    const input = inputs.find(({ name }) => name === spec.name);
    if (input === undefined) return spec.optional === true;
    // a number beyond 2^53 would not come through JSON.parse as it is
    const isExact = input.data.every(
      (one) => typeof one !== "number" || !Number.isInteger(one) || Number.isSafeInteger(one),
    );
    const isSized =
      input.shape.length === spec.shape.length && spec.shape.every((size, i) => size === -1 || size === input.shape[i]);
    return isExact && isSized && input.datatype === spec.datatype;
  });
}
