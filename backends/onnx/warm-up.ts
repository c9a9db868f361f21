// The runs that a session makes before it counts as ready: the first is slow, and shows whether the model works.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { asInferError, InferError } from "../../core/error.ts";
import type { InferRequest } from "../../core/request.ts";
import { ELEMENT_BYTES, elementCount, NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import { decodeRequest } from "../../wire/oip-binary.ts";
import { checkRequest } from "./check.ts";
import type { Order } from "./job.ts";
import type { ModelSettings } from "./options.ts";
import { leadsInside } from "./repository.ts";
import type { Signature } from "./signature.ts";

/** Zeros beyond this many bytes are not made up: declare inputs for such a model. */
const MAX_MADE_UP_BYTES = 256 * 1024 * 1024;
const MAX_INPUTS = 1024;
const MAX_NESTING = 100;

export interface WarmUp {
  /** Requests that the operator declared: when one fails, the version is not ready. Made up ones only warn. */
  readonly declared: boolean;
  /** The runs, in order. @throws InferError when a declared request does not suit the model */
  orders(signature: Signature, target: Pick<Order, "session" | "model">): readonly Order[];
}

export interface WarmUpSource {
  readonly settings: ModelSettings;
  readonly folder: string;
  readonly root: string;
}

/** The warm-up that the model's settings ask for; one run of zeros and empty strings where they say nothing. */
export async function readWarmUp(source: WarmUpSource): Promise<WarmUp> {
  const words = source.settings.warmUp ?? { count: 1 };
  if (!Array.isArray(words)) {
    return { declared: false, orders: (signature, target) => madeUp(signature, target, words.count) };
  }
  const requests: InferRequest[] = [];
  for (const file of words) requests.push(await readRequest(file, source));
  return {
    declared: true,
    orders: (signature, target) => requests.map((request) => ({ ...target, ...checkRequest(request, signature) })),
  };
}

function madeUp(signature: Signature, target: Pick<Order, "session" | "model">, count: number): readonly Order[] {
  const { inputs } = signature;
  const shapes = inputs.map((spec) => spec.shape.map((size) => (size === -1 ? 1 : size)));
  const lengths = inputs.map((spec, index) => {
    // an empty string is its length, 0, in four bytes
    const width = ELEMENT_BYTES[spec.datatype] || 4;
    return elementCount(shapes[index] ?? []) * width;
  });
  if (lengths.reduce((sum, length) => sum + length, 0) > MAX_MADE_UP_BYTES) return [];
  const tensors: readonly Tensor[] = inputs.map((spec, index) => ({
    name: spec.name,
    datatype: spec.datatype,
    shape: shapes[index] ?? [],
    data: new Uint8Array(lengths[index] ?? 0),
  }));
  const order = { ...target, inputs: tensors, outputs: signature.outputs.map((output) => output.name) };
  return Array.from({ length: count }, () => order);
}

async function readRequest(file: string, source: WarmUpSource): Promise<InferRequest> {
  const path = join(source.folder, file);
  try {
    if (!(await leadsInside(path, source.root))) throw new InferError("unavailable", "it leads out of the repository");
    const work = decodeRequest(await readFile(path), { limits: { maxInputs: MAX_INPUTS, maxNesting: MAX_NESTING } });
    for (let step = work.next(); ; step = work.next()) {
      if (step.done) {
        const { inputs, outputs } = step.value;
        const model = { name: "", select: { by: "default" } } as const;
        const asked = outputs === undefined ? {} : { outputs };
        return { model, task: "infer", inputs, ...asked, parameters: NO_PARAMETERS, stream: false };
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  } catch (error) {
    const reason =
      error instanceof InferError ? error.message : String((error as Error).message ?? asInferError(error));
    throw new InferError("unavailable", `warm-up ${file}: ${reason}`);
  }
}
