// BentoML's `/schema.json`: each API with the JSON schemas of what it takes and gives. Source: BentoML 1.4.39, run.

import { z } from "zod";
import type { Signature, TensorSpec } from "../../core/model.ts";
import type { Datatype } from "../../core/tensor.ts";
import type { RowSpec } from "../../wire/json-rows.ts";
import { BARE_OUTPUT } from "../http/answers.ts";
import { parseDocument } from "../http/bodies.ts";

/** NumPy's names of the datatypes; BentoML writes them for arrays, tensors and data frames that declare one. */
const DATATYPES: Readonly<Record<string, Datatype>> = {
  bool: "BOOL",
  uint8: "UINT8",
  uint16: "UINT16",
  uint32: "UINT32",
  uint64: "UINT64",
  int8: "INT8",
  int16: "INT16",
  int32: "INT32",
  int64: "INT64",
  float16: "FP16",
  float32: "FP32",
  float64: "FP64",
};

const valueShape = z.looseObject({
  type: z.string().optional(),
  format: z.string().optional(),
  dtype: z.string().optional(),
  shape: z.array(z.int()).optional(),
  items: z.looseObject({ type: z.string().optional() }).optional(),
});

type Value = z.output<typeof valueShape>;

const inputShape = valueShape.extend({
  properties: z.record(z.string(), valueShape).optional(),
  required: z.array(z.string()).default([]),
  root_input: z.boolean().default(false),
});

const outputShape = valueShape.extend({
  properties: z.record(z.string(), valueShape).optional(),
  is_stream: z.boolean().default(false),
  media_type: z.string().optional(),
});

const routeShape = z.looseObject({
  name: z.string(),
  route: z.string(),
  batchable: z.boolean().default(false),
  is_task: z.boolean().default(false),
  input: inputShape,
  output: outputShape,
});

const documentShape = z.looseObject({ name: z.string().default(""), routes: z.array(routeShape) });

/** One API. */
export interface Api {
  readonly name: string;
  /** Where it is: `/predict`. */
  readonly route: string;
  /** The body is the one input's value, without a name. */
  readonly isBare: boolean;
  /** The answer comes in pieces. */
  readonly isStream: boolean;
  /** All inputs and outputs, where every one of them declares datatype and shape. */
  readonly signature: Signature | undefined;
  /** As much of the outputs as is told; undefined where nothing is. */
  readonly outputs: readonly RowSpec[] | undefined;
}

/** The name of an input whose API takes a bare value. */
const BARE_INPUT = "input";

/** A service as its schema tells it. */
export interface ServiceSchema {
  readonly name: string;
  /** The APIs that can be called in one go, by name: a task's are queued, and left out. */
  readonly apis: ReadonlyMap<string, Api>;
}

/** The service behind a schema; undefined for another document. */
export function readSchema(body: Uint8Array): ServiceSchema | undefined {
  const read = documentShape.safeParse(parseDocument(body));
  if (!read.success) return undefined;
  const apis = read.data.routes.filter(({ is_task }) => !is_task).map(readApi);
  return { name: read.data.name, apis: new Map(apis.map((api) => [api.name, api])) };
}

function readApi({ name, route, input, output, batchable }: z.output<typeof routeShape>): Api {
  const inputs = inputsOf(input);
  const outputs = outputsOf(output);
  const isWhole = inputs.every(isSpec) && outputs?.every(isSpec) === true;
  const rows = batchable ? { batchDim: 0 as const } : {};
  return {
    name,
    route,
    isBare: input.root_input,
    isStream: output.is_stream,
    signature: isWhole ? { inputs, outputs, ...rows } : undefined,
    outputs,
  };
}

function inputsOf(input: z.output<typeof inputShape>): readonly RowSpec[] {
  if (input.root_input) return [specOf(BARE_INPUT, input)];
  return Object.entries(input.properties ?? {}).map(([name, value]) => ({
    ...specOf(name, value),
    ...(input.required.includes(name) ? {} : { optional: true }),
  }));
}

// An object without properties may have any: nothing is told of them.
function outputsOf(output: z.output<typeof outputShape>): readonly RowSpec[] | undefined {
  if (output.type === "object") {
    return output.properties === undefined
      ? undefined
      : Object.entries(output.properties).map(([name, value]) => specOf(name, value));
  }
  return [specOf(BARE_OUTPUT, output)];
}

function isSpec(spec: RowSpec): spec is TensorSpec {
  return spec.datatype !== undefined && spec.shape !== undefined;
}

/** Datatypes of JSON schema's own types: Python's int and float. */
const SCALARS: Readonly<Record<string, Datatype>> = {
  integer: "INT64",
  number: "FP64",
  boolean: "BOOL",
  string: "BYTES",
};

function specOf(name: string, { type, format, dtype, shape, items }: Value): RowSpec {
  if (type === "file" || (type === "string" && format === "binary")) return { name, datatype: "BYTES", shape: [1] };
  if (type === "tensor") {
    const datatype = dtype === undefined ? undefined : DATATYPES[dtype];
    return { name, ...(datatype === undefined ? {} : { datatype }), ...(shape === undefined ? {} : { shape }) };
  }
  const scalar = type === undefined ? undefined : SCALARS[type];
  if (scalar !== undefined) return { name, datatype: scalar, shape: [] };
  const element = items?.type === undefined ? undefined : SCALARS[items.type];
  return type === "array" && element !== undefined ? { name, datatype: element, shape: [-1] } : { name };
}
