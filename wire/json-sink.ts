// Where the elements of a JSON array go: buffers of a known size, buffers that grow, and buffers whose datatype the elements tell.

import { InferError, invalid } from "../core/error.ts";
import { type Datatype, ELEMENT_BYTES } from "../core/tensor.ts";
import { doubleLeaf, floatLeaf } from "./json-floats.ts";
import { boolLeaf, smallIntLeaf, wideIntLeaf } from "./json-ints.ts";
import { type Leaf, type Run, refuseElement } from "./json-leaf.ts";
import { skipNumber } from "./json-number.ts";
import { readAtMost, type Scanner, skipSpace } from "./json-scan.ts";
import { bytesLeaf, growingBytesLeaf } from "./json-texts.ts";

/** Takes elements, and gives their canonical bytes at the end. */
export interface Sink {
  readonly leaf: Leaf;
  /** The bytes of the elements read. */
  finish(): Uint8Array;
}

/** A sink that may find out what it holds. */
export interface OpenSink extends Sink {
  /** FP32 as long as there is no element to tell. */
  datatype(): Datatype;
}

const RANGES = {
  INT8: { min: -128, max: 127 },
  INT16: { min: -32768, max: 32767 },
  INT32: { min: -2147483648, max: 2147483647 },
  UINT8: { min: 0, max: 255 },
  UINT16: { min: 0, max: 65535 },
  UINT32: { min: 0, max: 4294967295 },
} as const;

/** A datatype whose elements have a width and a JSON form. */
type Plain = Exclude<Datatype, "BYTES" | "FP16" | "BF16">;

function elementLeaf(datatype: Plain, data: Buffer): Leaf {
  const { buffer } = data;
  switch (datatype) {
    case "BOOL":
      return boolLeaf(data);
    case "INT8":
      return smallIntLeaf(new Int8Array(buffer), datatype, RANGES.INT8);
    case "INT16":
      return smallIntLeaf(new Int16Array(buffer), datatype, RANGES.INT16);
    case "INT32":
      return smallIntLeaf(new Int32Array(buffer), datatype, RANGES.INT32);
    case "UINT8":
      return smallIntLeaf(data, datatype, RANGES.UINT8);
    case "UINT16":
      return smallIntLeaf(new Uint16Array(buffer), datatype, RANGES.UINT16);
    case "UINT32":
      return smallIntLeaf(new Uint32Array(buffer), datatype, RANGES.UINT32);
    case "INT64":
    case "UINT64":
      return wideIntLeaf(new Uint32Array(buffer), datatype);
    case "FP32":
      return floatLeaf(new Float32Array(buffer));
    case "FP64":
      return doubleLeaf(new Float64Array(buffer));
    default:
      return datatype satisfies never;
  }
}

/** What a sink of a known size holds. */
export interface SinkSize {
  /** `input "image"`: how errors name the tensor. */
  readonly label: string;
  readonly datatype: Datatype;
  readonly count: number;
  /** The bytes of text that the elements take at most. */
  readonly textBytes: number;
  /** FP16 are taken as numbers. */
  readonly halves?: boolean;
}

/**
 * A sink for so many elements.
 *
 * @throws InferError invalid-argument for FP16 and BF16, which have no JSON form; FP16 pass where `halves` says so
 */
export function openSink(size: SinkSize): Sink {
  const { datatype, count, label } = size;
  if (datatype === "BYTES") return bytesLeaf(size.textBytes + count + 8);
  if (datatype === "FP16" && size.halves === true) return halfSink(count);
  if (datatype === "FP16" || datatype === "BF16") {
    throw invalid(
      `${label}: ${datatype} has no JSON form; send it with the binary tensor extension (binary_data_size)`,
    );
  }
  // not zeroed, which takes milliseconds when it is large: the data is given only when every element has been written
  const data = Buffer.allocUnsafeSlow(count * ELEMENT_BYTES[datatype]);
  return { leaf: elementLeaf(datatype, data), finish: () => data };
}

// By way of floats, a run at a time.
function halfSink(count: number): Sink {
  const floats = new Float32Array(count);
  const halves = new Float16Array(count);
  const inner = floatLeaf(floats);
  const leaf: Leaf = (s, run) => {
    const from = run.index;
    inner(s, run);
    const to = Math.min(run.index, count);
    for (let i = from; i < to; i++) {
      const value = floats[i] as number;
      halves[i] = value;
      if (Number.isFinite(value) && !Number.isFinite(halves[i] as number)) {
        throw invalid(`${run.label}: expected numbers in FP16's range, got ${value} as element ${i}`);
      }
    }
  };
  return { leaf, finish: () => new Uint8Array(halves.buffer) };
}

/** Elements that a buffer has room for at first. */
const FIRST_ELEMENTS = 32;

/**
 * A sink for any number of elements. BYTES may be `{"b64": "..."}` too.
 *
 * @throws InferError unsupported for FP16 and BF16, which have no form in the JSON of rows
 */
export function openGrowingSink(datatype: Datatype, label: string): OpenSink {
  if (datatype === "BYTES") return { ...growingBytesLeaf(), datatype: () => datatype };
  if (datatype === "FP16" || datatype === "BF16") {
    const said = "has no JSON form in this protocol; the Open Inference Protocol's binary form carries it";
    throw new InferError("unsupported", `${label}: ${datatype} ${said}`);
  }
  return growing(datatype, { data: Buffer.allocUnsafeSlow(FIRST_ELEMENTS * ELEMENT_BYTES[datatype]), count: 0 });
}

interface Elements {
  readonly data: Buffer;
  readonly count: number;
}

function growing(datatype: Plain, first: Elements): OpenSink {
  const width = ELEMENT_BYTES[datatype];
  let { data, count } = first;
  let inner = elementLeaf(datatype, data);
  const leaf: Leaf = (s, run) => {
    if ((run.index + 1) * width > data.byteLength) {
      const more = Buffer.allocUnsafeSlow(Math.max(data.byteLength * 2, FIRST_ELEMENTS * width));
      more.set(data);
      data = more;
      inner = elementLeaf(datatype, data);
    }
    // an element and its comma take two bytes at least, and one that begins before the stop is still read
    const room = (data.byteLength / width - run.index) * 2;
    try {
      readAtMost(s, room, () => inner(s, run));
    } finally {
      count = run.index;
    }
  };
  return { leaf, finish: () => data.subarray(0, count * width), datatype: () => datatype };
}

/**
 * A sink whose elements tell their datatype: true and false BOOL, integers INT64, numbers of which one has a fraction or
 * an exponent or is NaN or infinite FP32, strings and `{"b64": "..."}` BYTES.
 */
export function openInferringSink(): OpenSink {
  let sink: OpenSink | undefined;
  const leaf: Leaf = (s, run) => {
    sink ??= openGrowingSink(firstDatatype(s, run), run.label);
    try {
      sink.leaf(s, run);
    } catch (error) {
      if (sink.datatype() !== "INT64" || !isDecimal(s)) throw error;
      sink = floatsOf(sink.finish());
      sink.leaf(s, run);
    }
  };
  return {
    leaf,
    finish: () => sink?.finish() ?? new Uint8Array(0),
    datatype: () => sink?.datatype() ?? "FP32",
  };
}

function firstDatatype(s: Scanner, run: Run): Datatype {
  const byte = skipSpace(s);
  if (byte === 0x22 || byte === 0x7b) return "BYTES";
  if (byte === 0x74 || byte === 0x66) return "BOOL";
  const from = s.at;
  const kind = skipNumber(s);
  s.at = from;
  if (kind === "none") throw refuseElement(s, run, "a number, a string, true or false");
  return kind === "integer" ? "INT64" : "FP32";
}

function isDecimal(s: Scanner): boolean {
  const from = s.at;
  const kind = skipNumber(s);
  s.at = from;
  return kind !== "none" && kind !== "integer";
}

// What was read as integers, in the floats that their texts stand for.
function floatsOf(ints: Uint8Array): OpenSink {
  const count = ints.byteLength / 8;
  const view = new DataView(ints.buffer, ints.byteOffset, ints.byteLength);
  const data = Buffer.allocUnsafeSlow(Math.max(count, FIRST_ELEMENTS) * 4);
  const floats = new Float32Array(data.buffer);
  for (let i = 0; i < count; i++) floats[i] = Number(view.getBigInt64(i * 8, true));
  return growing("FP32", { data, count });
}
