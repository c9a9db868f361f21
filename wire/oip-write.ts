// Writes the bodies of the Open Inference Protocol: their tensors, as JSON or as blobs behind it.

import type { RegionPart } from "../core/operator.ts";
import type { ParameterValue, Tensor } from "../core/tensor.ts";
import { type WriteContext, writeData } from "./json-elements.ts";
import { finishWriter, type JsonWriter, openWriter, put, putParameters, putString } from "./json-write.ts";
import { regionParameters } from "./oip-regions.ts";
import { isDue, openPace, type Pace, type Sliced, type SliceOptions } from "./sliced.ts";

/** A body to be sent: its parts one after the other. */
export interface EncodedBody {
  readonly parts: readonly Uint8Array[];
  /** For the header Inference-Header-Content-Length; present only when a blob that is not empty follows the JSON. */
  readonly headerLength?: number;
}

/** A body being written. */
export interface BodyWriter {
  readonly json: JsonWriter;
  readonly blobs: Uint8Array[];
  readonly pace: Pace;
}

export function openBody(options: SliceOptions): BodyWriter {
  return { json: openWriter(), blobs: [], pace: openPace(options) };
}

export function finishBody(body: BodyWriter): EncodedBody {
  const { parts, length } = finishWriter(body.json);
  return body.blobs.length === 0 ? { parts } : { parts: [...parts, ...body.blobs], headerLength: length };
}

export interface TensorForm {
  /** How errors name a tensor. */
  readonly word: "input" | "output";
  readonly isBinary: (tensor: Tensor) => boolean;
  /** Where the tensor's elements lie, when not in the body. */
  readonly regionOf?: (tensor: Tensor) => RegionPart | undefined;
  /** How elements that are not binary are written. */
  readonly json?: JsonForm;
}

/** What a reader of JSON takes, where it is not what Triton takes. */
export type JsonForm = Pick<WriteContext, "style" | "carrier" | "halves">;

/** Writes the list of a body's tensors, in the key order that tritonclient (inputs) and Triton (outputs) use. */
export function* writeTensors(body: BodyWriter, tensors: readonly Tensor[], form: TensorForm): Sliced<void> {
  const { json } = body;
  let before = "[";
  for (const tensor of tensors) {
    put(json, `${before}{"name":`);
    putString(json, tensor.name);
    const shape = `"shape":[${tensor.shape.join(",")}]`;
    const datatype = `"datatype":"${tensor.datatype}"`;
    put(json, form.word === "input" ? `,${shape},${datatype}` : `,${datatype},${shape}`);
    const region = form.regionOf?.(tensor);
    if (region !== undefined) {
      putOwnParameters(json, [...(tensor.parameters ?? []), ...regionParameters(region)]);
    } else if (form.isBinary(tensor)) {
      putOwnParameters(json, [...(tensor.parameters ?? []), ["binary_data_size", BigInt(tensor.data.byteLength)]]);
      if (tensor.data.byteLength > 0) body.blobs.push(tensor.data);
    } else {
      putOwnParameters(json, [...(tensor.parameters ?? [])]);
      put(json, ',"data":');
      const label = `${form.word} "${tensor.name}"`;
      yield* writeData(json, tensor, { ...form.json, label, pace: body.pace });
    }
    put(json, "}");
    before = ",";
    if (isDue(body.pace, 1)) yield;
  }
  put(json, before === "[" ? "[]" : "]");
}

function putOwnParameters(json: JsonWriter, parameters: readonly (readonly [string, ParameterValue])[]): void {
  if (parameters.length === 0) return;
  put(json, ',"parameters":');
  putParameters(json, parameters);
}
