// Reads the `data` of a tensor in JSON, nested as its shape or flat, into canonical bytes.

import { invalid } from "../core/error.ts";
import { type Datatype, ELEMENT_BYTES } from "../core/tensor.ts";
import { doubleLeaf, floatLeaf } from "./json-floats.ts";
import { boolLeaf, smallIntLeaf, wideIntLeaf } from "./json-ints.ts";
import { type Leaf, type Run, refuseElement } from "./json-leaf.ts";
import { isSliceOver, type Scanner, skipSpace, spend, syntaxError } from "./json-scan.ts";
import { tooDeep } from "./json-skip.ts";
import { bytesLeaf } from "./json-texts.ts";
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
}

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
  const walk = openWalk(spec);
  while (!walkOn(s, walk, sink.leaf)) {
    if (isSliceOver(s)) yield;
  }
  if (walk.run.index !== spec.count) {
    throw invalid(`${spec.label}: shape [${spec.shape.join(",")}] needs ${spec.count} elements, got ${walk.run.index}`);
  }
  return sink.finish();
}

interface Sink {
  readonly leaf: Leaf;
  finish(): Uint8Array;
}

const RANGES = {
  INT8: { min: -128, max: 127 },
  INT16: { min: -32768, max: 32767 },
  INT32: { min: -2147483648, max: 2147483647 },
  UINT8: { min: 0, max: 255 },
  UINT16: { min: 0, max: 65535 },
  UINT32: { min: 0, max: 4294967295 },
} as const;

function openSink(spec: DataSpec): Sink {
  const { datatype, count, label } = spec;
  if (datatype === "BYTES") return bytesLeaf(spec.textBytes + spec.count + 8);
  // not zeroed, which takes milliseconds when it is large: the data is given only when every element has been written
  const data = Buffer.allocUnsafeSlow(count * ELEMENT_BYTES[datatype]);
  const finish = () => data;
  const { buffer } = data;
  switch (datatype) {
    case "BOOL":
      return { leaf: boolLeaf(data), finish };
    case "INT8":
      return { leaf: smallIntLeaf(new Int8Array(buffer), datatype, RANGES.INT8), finish };
    case "INT16":
      return { leaf: smallIntLeaf(new Int16Array(buffer), datatype, RANGES.INT16), finish };
    case "INT32":
      return { leaf: smallIntLeaf(new Int32Array(buffer), datatype, RANGES.INT32), finish };
    case "UINT8":
      return { leaf: smallIntLeaf(data, datatype, RANGES.UINT8), finish };
    case "UINT16":
      return { leaf: smallIntLeaf(new Uint16Array(buffer), datatype, RANGES.UINT16), finish };
    case "UINT32":
      return { leaf: smallIntLeaf(new Uint32Array(buffer), datatype, RANGES.UINT32), finish };
    case "INT64":
    case "UINT64":
      return { leaf: wideIntLeaf(new Uint32Array(buffer), datatype), finish };
    case "FP32":
      return { leaf: floatLeaf(new Float32Array(buffer)), finish };
    case "FP64":
      return { leaf: doubleLeaf(new Float64Array(buffer)), finish };
    case "FP16":
    case "BF16":
      throw invalid(
        `${label}: ${datatype} has no JSON form; send it with the binary tensor extension (binary_data_size)`,
      );
    default:
      return datatype satisfies never;
  }
}

interface Walk {
  readonly spec: DataSpec;
  readonly run: Run;
  expected: "value" | "element or ]" | "separator" | "rest";
  /**
   * How deep the elements lie: 0 for a bare scalar, 1 for flat, the rank for nested; -1 as long as that is not known.
   */
  leafDepth: number;
}

function openWalk(spec: DataSpec): Walk {
  const run: Run = { label: spec.label, index: 0, from: 0, limit: 0x7fffffff, place: "after", open: [] };
  return { spec, run, expected: "value", leafDepth: -1 };
}

// One slice, or to the end: true.
function walkOn(s: Scanner, walk: Walk, leaf: Leaf): boolean {
  const { open } = walk.run;
  for (;;) {
    if (walk.expected === "separator") {
      if (open.length === 0) return true;
      separate(s, walk);
    } else if (walk.expected === "rest") {
      readRun(s, walk, leaf);
    } else {
      const byte = skipSpace(s);
      if (byte === 0x5b) openArray(s, walk);
      else if (byte === 0x5d && walk.expected === "element or ]") closeArray(s, walk);
      else beginRun(s, walk, leaf);
    }
    if (s.at >= s.stopAt) return walk.expected === "separator" && open.length === 0;
  }
}

function openArray(s: Scanner, walk: Walk): void {
  const { spec, run } = walk;
  const depth = run.open.length;
  if (spec.depth + depth >= s.maxNesting) throw tooDeep(s);
  if (depth > 0 && (depth >= spec.shape.length || walk.leafDepth === depth)) {
    throw refuseElement(
      s,
      run,
      walk.leafDepth === depth ? "an element" : `an element of shape [${spec.shape.join(",")}]`,
    );
  }
  run.open.push(0);
  spend(s, 8);
  walk.expected = "element or ]";
  s.at += 1;
}

function beginRun(s: Scanner, walk: Walk, leaf: Leaf): void {
  const { spec, run } = walk;
  const depth = run.open.length;
  const rank = spec.shape.length;
  run.from = run.index;
  if (walk.leafDepth < 0) {
    const fits = depth === rank || (depth === 1 && run.open[0] === 0);
    if (!fits) throw refuseElement(s, run, depth === 0 ? "an array" : "[");
    walk.leafDepth = depth;
    if (depth === 0) run.limit = 1;
  }
  if (walk.leafDepth !== depth) throw refuseElement(s, run, "[");
  readRun(s, walk, leaf);
}

function readRun(s: Scanner, walk: Walk, leaf: Leaf): void {
  const { run } = walk;
  leaf(s, run);
  if (run.place === "inside") {
    walk.expected = "rest";
    return;
  }
  const last = run.open.length - 1;
  if (last >= 0) run.open[last] = (run.open[last] as number) + run.index - run.from;
  run.from = run.index;
  walk.expected = run.place === "comma" ? "value" : "separator";
}

function separate(s: Scanner, walk: Walk): void {
  const byte = skipSpace(s);
  if (byte === 0x5d) {
    closeArray(s, walk);
    return;
  }
  if (byte !== 0x2c) throw syntaxError(s, ", or ]");
  s.at += 1;
  walk.expected = "value";
}

function closeArray(s: Scanner, walk: Walk): void {
  const { spec, run } = walk;
  const depth = run.open.length;
  const children = run.open.pop() as number;
  const isFlat = depth === 1 && (walk.leafDepth === 1 || children === 0);
  const size = spec.shape[depth - 1];
  if (!isFlat && children !== size) {
    const place = `data${run.open.map((at) => `[${at}]`).join("")}`;
    throw invalid(`${spec.label}: shape [${spec.shape.join(",")}] needs ${size} items in ${place}, got ${children}`);
  }
  const parent = depth - 2;
  if (parent >= 0) run.open[parent] = (run.open[parent] as number) + 1;
  s.at += 1;
  walk.expected = "separator";
}
