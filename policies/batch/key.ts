// Which requests may become one: the key of a bucket, and the rows of a request.

import type { Headers } from "../../core/call.ts";
import type { InferRequest, ModelRef } from "../../core/request.ts";
import type { Parameters, ParameterValue, Tensor } from "../../core/tensor.ts";

/**
 * Equal for requests whose rows may be joined: the same model and version, task, inputs (name, datatype, shape of a row,
 * parameters) in whatever order, parameters, outputs in their order, and values of the headers in `headers`.
 */
export function bucketKey(
  request: InferRequest,
  said?: { readonly names: readonly string[]; readonly headers: Headers },
): string {
  const { model, task, signature, inputs, outputs, parameters } = request;
  return JSON.stringify([
    modelKey(model),
    task,
    signature ?? null,
    inputs.map(inputKey).sort(byName),
    parametersKey(parameters),
    outputs === undefined ? null : outputs.map((output) => [output.name, parametersKey(output.parameters)]),
    said === undefined ? null : said.names.map((name) => said.headers.get(name) ?? null),
  ]);
}

/** `bucketKey`, which writes no key anew while plain requests of one form come. */
export function openBucketKeys(): typeof bucketKey {
  let last: { readonly request: InferRequest; readonly key: string } | undefined;
  return (request, said) => {
    if (said !== undefined || !isPlain(request)) return bucketKey(request, said);
    if (last === undefined || !isAlike(last.request, request)) {
      // without its bytes, which would be kept with it
      const inputs = request.inputs.map((input) => ({ ...input, data: NO_DATA }));
      last = { request: { ...request, inputs }, key: bucketKey(request) };
    }
    return last.key;
  };
}

const NO_DATA = new Uint8Array(0);

/** Whether its form is that of its model and its inputs alone. */
function isPlain({ inputs, outputs, parameters }: InferRequest): boolean {
  if (parameters.size > 0 || outputs !== undefined) return false;
  for (const input of inputs) if (input.parameters !== undefined) return false;
  return true;
}

/** Whether two plain requests have one key. */
function isAlike(a: InferRequest, b: InferRequest): boolean {
  if (a.task !== b.task || a.signature !== b.signature || !isOne(a.model, b.model)) return false;
  if (a.inputs.length !== b.inputs.length) return false;
  for (let i = 0; i < a.inputs.length; i += 1) {
    if (!isRowAlike(a.inputs[i] as Tensor, b.inputs[i] as Tensor)) return false;
  }
  return true;
}

function isOne(a: ModelRef, b: ModelRef): boolean {
  if (a.name !== b.name) return false;
  const [one, other] = [a.select, b.select];
  if (one.by === "version") return other.by === "version" && one.version === other.version;
  if (one.by === "label") return other.by === "label" && one.label === other.label;
  return other.by === "default";
}

function isRowAlike(a: Tensor, b: Tensor): boolean {
  if (a.name !== b.name || a.datatype !== b.datatype || a.shape.length !== b.shape.length) return false;
  for (let i = 1; i < a.shape.length; i += 1) if (a.shape[i] !== b.shape[i]) return false;
  return true;
}

/** How many rows the request has: the first dimension of each input; undefined when they have none or do not agree. */
export function rowsOf({ inputs }: Pick<InferRequest, "inputs">): number | undefined {
  const rows = inputs[0]?.shape[0];
  if (rows === undefined) return undefined;
  for (const input of inputs) if (input.shape[0] !== rows) return undefined;
  return rows;
}

/** Bytes of all inputs. */
export function bytesOf({ inputs }: Pick<InferRequest, "inputs">): number {
  let total = 0;
  for (const input of inputs) total += input.data.byteLength;
  return total;
}

type InputKey = readonly [name: string, datatype: string, row: readonly number[], parameters: unknown];

function inputKey({ name, datatype, shape, parameters }: Tensor): InputKey {
  return [name, datatype, shape.slice(1), parameters === undefined ? null : parametersKey(parameters)];
}

function byName(a: InputKey, b: InputKey): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}

function modelKey({ name, select }: ModelRef): readonly string[] {
  switch (select.by) {
    case "default":
      return [name, "default"];
    case "version":
      return [name, "version", select.version];
    case "label":
      return [name, "label", select.label];
    default:
      return select satisfies never;
  }
}

function parametersKey(parameters: Parameters): unknown {
  if (parameters.size === 0) return null;
  return [...parameters]
    .map(([name, value]) => [name, typeof value, valueKey(value)])
    .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1));
}

// JSON has one word, null, for every number that is not finite, and writes -0 as 0
function valueKey(value: ParameterValue): string | boolean {
  if (typeof value === "boolean") return value;
  return Object.is(value, -0) ? "-0" : String(value);
}
