// A model's signature as its config.pbtxt declares it to clients: rows, shapes in another form, names of classes.

import { InferError, invalid } from "../../core/error.ts";
import type { TensorSpec } from "../../core/model.ts";
import type { InferRequest } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { Signature } from "./signature.ts";
import type { BatchWish } from "./triton-batch.ts";
import type { DeclaredTensor, TritonConfig } from "./triton-config.ts";

/** What a config.pbtxt says, with what lies in the files that it names. */
export interface Declared {
  readonly config: TritonConfig;
  /** The names of an output's values, by the output's name. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
}

/** The signature that clients see, and the way between it and the model's own. */
export interface DeclaredSignature extends Signature {
  /** The most rows of one request. */
  readonly maxRows: number | undefined;
  /** What is asked of the gateway's batching. */
  readonly batch?: BatchWish;
  /** Tensors whose shape is another in the model: what clients see and what the model has, without rows. */
  readonly reshaped: ReadonlyMap<string, Pick<DeclaredTensor, "dims" | "reshape">>;
}

/** The model's own signature, when there is no config.pbtxt. */
export function undeclared(signature: Signature): DeclaredSignature {
  return { ...signature, maxRows: undefined, reshaped: new Map() };
}

/** @throws InferError unavailable when the config does not suit the model, naming the tensor */
export function declare(own: Signature, { config, labels }: Declared): DeclaredSignature {
  const { maxBatchSize } = config;
  const hasRows = maxBatchSize === undefined ? own.batchDim === 0 : maxBatchSize > 0;
  const specs = (side: "input" | "output", mine: readonly TensorSpec[], said: readonly DeclaredTensor[]) => {
    const byName = new Map(said.map((each) => [each.name, each]));
    for (const name of byName.keys()) {
      if (!mine.some((spec) => spec.name === name)) throw unsuited(`${side} "${name}" is not the model's`);
    }
    return mine.map((spec) => {
      const tensor = byName.get(spec.name);
      if (tensor === undefined && hasRows && spec.shape[0] !== -1) throw noRows(side, spec);
      return tensor === undefined
        ? spec
        : declareOne(tensor, { side, spec, hasRows, anyRank: own.anyRank.has(spec.name) });
    });
  };
  const all = [...config.inputs, ...config.outputs];
  return {
    ...own,
    inputs: specs("input", own.inputs, config.inputs),
    outputs: specs("output", own.outputs, config.outputs).map((spec) => {
      const names = labels.get(spec.name);
      return names === undefined ? spec : { ...spec, labels: names };
    }),
    batchDim: hasRows ? 0 : undefined,
    maxRows: maxBatchSize !== undefined && maxBatchSize > 0 ? maxBatchSize : undefined,
    ...(config.batch === undefined ? {} : { batch: config.batch }),
    reshaped: new Map(all.flatMap((each) => (each.reshape === undefined ? [] : [[each.name, each] as const]))),
  };
}

interface DeclaredAt {
  readonly side: "input" | "output";
  readonly spec: TensorSpec;
  readonly hasRows: boolean;
  readonly anyRank: boolean;
}

function declareOne(
  { datatype, dims, reshape }: DeclaredTensor,
  { side, spec, hasRows, anyRank }: DeclaredAt,
): TensorSpec {
  const label = `${side} "${spec.name}"`;
  if (datatype !== spec.datatype)
    throw unsuited(`${label}: data_type ${datatype ?? "unknown"}, the model has ${spec.datatype}`);
  const rows = hasRows ? [-1] : [];
  const there = [...rows, ...(reshape ?? dims)];
  if (hasRows && !anyRank && spec.shape[0] !== -1) throw noRows(side, spec);
  const suits =
    anyRank ||
    (there.length === spec.shape.length &&
      there.every((size, i) => size === -1 || spec.shape[i] === -1 || size === spec.shape[i]));
  if (!suits) throw unsuited(`${label}: shape [${there.join(",")}], the model has [${spec.shape.join(",")}]`);
  return { ...spec, shape: [...rows, ...dims] };
}

function noRows(side: string, { name, shape }: TensorSpec): InferError {
  return unsuited(`max_batch_size: ${side} "${name}" of shape [${shape.join(",")}] has no free first dimension`);
}

function unsuited(what: string): InferError {
  return new InferError("unavailable", `config.pbtxt: ${what}`);
}

/** @throws InferError invalid-argument for more rows than the config allows */
export function checkRows({ model, inputs }: InferRequest, { maxRows }: DeclaredSignature): void {
  if (maxRows === undefined) return;
  for (const { shape } of inputs) {
    if ((shape[0] ?? 0) > maxRows)
      throw invalid(`inference request batch-size must be <= ${maxRows} for '${model.name}'`);
  }
}

/** The tensors with the shapes that the other side has: `there` the model's, `here` the clients'. The bytes are the same. */
export function reshape<T extends Pick<Tensor, "name" | "shape">>(
  tensors: readonly T[],
  { reshaped, batchDim }: DeclaredSignature,
  to: "there" | "here",
): readonly T[] {
  if (reshaped.size === 0) return tensors;
  return tensors.map((tensor) => {
    const forms = reshaped.get(tensor.name);
    if (forms?.reshape === undefined) return tensor;
    const [from, into] = to === "there" ? [forms.dims, forms.reshape] : [forms.reshape, forms.dims];
    const rows = batchDim === 0 ? tensor.shape.slice(0, 1) : [];
    const own = tensor.shape.slice(rows.length);
    // open dimensions keep their sizes, in their order
    const open = own.filter((_, i) => from[i] === -1);
    return { ...tensor, shape: [...rows, ...into.map((size) => (size === -1 ? (open.shift() ?? 1) : size))] };
  });
}
