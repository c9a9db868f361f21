// Triton's classification: the largest values of an output as texts with their places and labels.

import { InferError, invalid } from "../../../core/error.ts";
import type { ModelMetadata } from "../../../core/model.ts";
import type { RequestedOutput } from "../../../core/request.ts";
import type { Sliced } from "../../../core/run.ts";
import { type Datatype, ELEMENT_BYTES, joinBytesElements, type Tensor } from "../../../core/tensor.ts";

/** How many classes are wanted of each output that asks for classification, and what is known of the outputs. */
export interface Classes {
  readonly wanted: ReadonlyMap<string, number>;
  readonly model: ModelMetadata;
}

/** Triton's limit. Source: Triton, src/classification.cc. */
const MAX_ELEMENTS = 1_000_000;
/** Elements looked at between two stops. */
const STEP = 20_000;

const TRITON_HAS_NONE: readonly Datatype[] = ["FP16", "BF16", "BYTES"];

/**
 * What a request asks for; undefined when nothing.
 *
 * @throws InferError invalid-argument for a number of classes that is none, or an output whose values have no order
 */
export async function classesOf(
  outputs: readonly RequestedOutput[] | undefined,
  signature: () => Promise<ModelMetadata>,
): Promise<Classes | undefined> {
  const asking = outputs?.filter(({ parameters }) => parameters.has("classification")) ?? [];
  if (asking.length === 0) return undefined;
  const model = await signature();
  const wanted = new Map<string, number>();
  for (const { name, parameters } of asking) {
    const count = parameters.get("classification");
    if (typeof count !== "bigint" || count < 1n) {
      throw invalid(`output "${name}": classification: expected a number of classes of at least 1, got ${count}`);
    }
    const datatype = model.outputs.find((spec) => spec.name === name)?.datatype;
    if (datatype !== undefined && TRITON_HAS_NONE.includes(datatype)) {
      throw invalid(`output "${name}": class result not available for output due to unsupported type '${datatype}'`);
    }
    wanted.set(name, Number(count < BigInt(MAX_ELEMENTS) ? count : BigInt(MAX_ELEMENTS)));
  }
  return { wanted, model };
}

/** The outputs with those that ask for it in place of their values; a server may have done it already. */
export function* classifyAll(outputs: readonly Tensor[], { wanted, model }: Classes): Sliced<readonly Tensor[]> {
  const done: Tensor[] = [];
  for (const output of outputs) {
    const classes = wanted.get(output.name);
    if (classes === undefined || output.datatype === "BYTES") {
      done.push(output);
      continue;
    }
    const labels = model.outputs.find(({ name }) => name === output.name)?.labels;
    done.push(yield* classify(output, { classes, hasRows: model.batchDim === 0, labels }));
  }
  return done;
}

export interface Classify {
  readonly classes: number;
  /** The first dimension is that of rows: each has classes of its own. */
  readonly hasRows: boolean;
  readonly labels: readonly string[] | undefined;
}

/**
 * BYTES of shape `[rows?, min(classes, values of a row)]`: each `<value>:<place>[:<label>]`, the largest value first, of
 * equal ones the one that stands first.
 *
 * @throws InferError unsupported for over a million values, or a datatype whose values have no order
 */
export function* classify(output: Tensor, { classes, hasRows, labels }: Classify): Sliced<Tensor> {
  const { name, datatype, shape, data } = output;
  const read = READERS[datatype];
  if (read === undefined) throw new InferError("unsupported", `output "${name}": ${datatype} cannot be classified`);
  const count = data.byteLength / (ELEMENT_BYTES[datatype] as number);
  if (count > MAX_ELEMENTS) {
    throw new InferError(
      "unsupported",
      `output "${name}": expected at most ${MAX_ELEMENTS} values to classify, got ${count}`,
    );
  }
  const rows = hasRows && shape.length > 0 ? (shape[0] as number) : 1;
  const perRow = rows === 0 ? 0 : count / rows;
  const best = Math.min(classes, perRow);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const texts: Uint8Array[] = [];
  for (let row = 0; row < rows; row++) {
    const from = row * perRow;
    const at = (place: number) => read(view, from + place);
    for (const place of yield* largest(perRow, best, at)) {
      const label = labels?.[place] ?? "";
      texts.push(Buffer.from(`${textOf(at(place), datatype)}:${place}${label === "" ? "" : `:${label}`}`));
    }
  }
  return { name, datatype: "BYTES", shape: hasRows ? [rows, best] : [best], data: joinBytesElements(texts) };
}

type Value = number | bigint;

/** The places of the largest values, the largest first: a heap with the smallest of them at its top. */
function* largest(count: number, best: number, at: (place: number) => Value): Sliced<readonly number[]> {
  const heap: number[] = [];
  const isLess = (a: number, b: number) => {
    const [x, y] = [orderOf(at(a)), orderOf(at(b))];
    return x === y ? a > b : x < y;
  };
  for (let place = 0; place < count; place++) {
    if (place % STEP === STEP - 1) yield;
    if (heap.length < best) raise(heap, place, isLess);
    else if (best > 0 && isLess(heap[0] as number, place)) sink(heap, place, isLess);
  }
  const sorted: number[] = [];
  while (heap.length > 0) {
    if (sorted.length % STEP === STEP - 1) yield;
    sorted.push(heap[0] as number);
    const last = heap.pop() as number;
    if (heap.length > 0) sink(heap, last, isLess);
  }
  return sorted.reverse();
}

/** What is no number comes last. */
function orderOf(value: Value): Value {
  return typeof value === "number" && Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
}

type IsLess = (a: number, b: number) => boolean;

function raise(heap: number[], place: number, isLess: IsLess): void {
  let i = heap.push(place) - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (!isLess(place, heap[parent] as number)) break;
    heap[i] = heap[parent] as number;
    i = parent;
  }
  heap[i] = place;
}

/** Puts the place where the top was. */
function sink(heap: number[], place: number, isLess: IsLess): void {
  let i = 0;
  for (;;) {
    const left = 2 * i + 1;
    if (left >= heap.length) break;
    const right = left + 1;
    const child = right < heap.length && isLess(heap[right] as number, heap[left] as number) ? right : left;
    if (!isLess(heap[child] as number, place)) break;
    heap[i] = heap[child] as number;
    i = child;
  }
  heap[i] = place;
}

type Read = (view: DataView, index: number) => Value;

const READERS: Readonly<Partial<Record<Datatype, Read>>> = {
  BOOL: (view, i) => view.getUint8(i),
  UINT8: (view, i) => view.getUint8(i),
  UINT16: (view, i) => view.getUint16(2 * i, true),
  UINT32: (view, i) => view.getUint32(4 * i, true),
  UINT64: (view, i) => view.getBigUint64(8 * i, true),
  INT8: (view, i) => view.getInt8(i),
  INT16: (view, i) => view.getInt16(2 * i, true),
  INT32: (view, i) => view.getInt32(4 * i, true),
  INT64: (view, i) => view.getBigInt64(8 * i, true),
  FP32: (view, i) => view.getFloat32(4 * i, true),
  FP64: (view, i) => view.getFloat64(8 * i, true),
};

/** As C++'s std::to_string writes it, which is what Triton sends: six decimals, and all digits of large numbers. */
function textOf(value: Value, datatype: Datatype): string {
  if (typeof value === "bigint" || (datatype !== "FP32" && datatype !== "FP64")) return String(value);
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}
