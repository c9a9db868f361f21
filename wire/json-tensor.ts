// Reads the `data` of a tensor in JSON, nested as its shape or flat, into canonical bytes.

import { invalid } from "../core/error.ts";
import type { Datatype } from "../core/tensor.ts";
import { isSliceOver, type Scanner } from "./json-scan.ts";
import { openSink } from "./json-sink.ts";
import { openWalk, walkOn } from "./json-walk.ts";
import type { Sliced } from "./sliced.ts";

export interface DataSpec {
  /** `input "image"`: how errors name the tensor. */
  readonly label: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** The elements of the shape. */
  readonly count: number;
  /** How many arrays and objects are open around the value. */
  readonly depth: number;
  /** The bytes of text that the value takes at most. */
  readonly textBytes: number;
  /** FP16 are taken as numbers. */
  readonly halves?: boolean;
}

const root = () => "data";

/**
 * Reads the value at the scanner's place: an array of all elements in row-major order, or arrays nested exactly as the
 * shape says; for shape [] also the bare element.
 *
 * @throws InferError invalid-argument for a wrong count or nesting, an element that is not the datatype's or beyond its
 * range
 */
export function* readData(s: Scanner, spec: DataSpec): Sliced<Uint8Array> {
  // an element and its comma take two bytes of text at least, so a count that cannot be met allocates nothing
  if (spec.count > (spec.textBytes >>> 1) + 1) {
    throw invalid(
      `${spec.label}: shape [${spec.shape.join(",")}] needs ${spec.count} elements, more than ${spec.textBytes} bytes of data can hold`,
    );
  }
  const sink = openSink(spec);
  const walk = openWalk({ ...spec, root, flat: true });
  while (!walkOn(s, walk, sink.leaf)) {
    if (isSliceOver(s)) yield;
  }
  if (walk.run.index !== spec.count) {
    throw invalid(`${spec.label}: shape [${spec.shape.join(",")}] needs ${spec.count} elements, got ${walk.run.index}`);
  }
  return sink.finish();
}
