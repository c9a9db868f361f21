// InferTensorContents, the Open Inference Protocol's typed elements over gRPC: read into canonical bytes, in slices.

import { InferError, invalid } from "../core/error.ts";
import { type Datatype, ELEMENT_BYTES } from "../core/tensor.ts";
import { type ContentsField, type ContentsFields, OIP_FIELDS } from "./oip-proto-fields.ts";
import { malformed, openReader, type ProtoReader, skipField, WIRE } from "./protobuf.ts";
import { isDue, type Pace, type Sliced } from "./sliced.ts";

/** The typed field of a datatype in InferTensorContents; undefined for FP16 and BF16, which have none. */
export function contentsField(datatype: Datatype): ContentsField | undefined {
  return OIP_FIELDS[datatype];
}

/** A tensor whose elements are wanted. */
export interface ContentsWanted {
  /** `input "x"`: how errors name it. */
  readonly label: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly count: number;
  readonly pace: Pace;
  /** Where the message has its elements; those of InferTensorContents when absent. */
  readonly fields?: ContentsFields;
  /** Fewer elements than the shape's are taken, and given as they are; else their count must be the shape's. */
  readonly fewer?: boolean;
}

/**
 * Reads a tensor's typed elements. `parts` are the messages of its field `contents`: one, unless somebody split it,
 * which protobuf allows. FP32 and FP64 that came in one piece are views.
 *
 * @throws InferError invalid-argument for elements in another datatype's field, a count that is not the shape's, a value
 * beyond the datatype's range, and for FP16 and BF16 unless they are empty
 */
export function* readContents(parts: readonly Uint8Array[], wanted: ContentsWanted): Sliced<Uint8Array> {
  const { fields = OIP_FIELDS } = wanted;
  const byNumber = new Map(Object.values(fields).map((field) => [field?.number, field]));
  const field = fields[wanted.datatype];
  const runs: Runs = { wanted, field, byNumber, pieces: 0, bytes: 0, elements: 0, one: undefined };
  for (const part of parts) yield* eachRun(part, runs, (run) => survey(runs, run));
  if (wanted.datatype === "BYTES") return yield* readBytesElements(parts, runs);
  const width = ELEMENT_BYTES[wanted.datatype];
  if (runs.field?.wire !== WIRE.varint) {
    expectCount(wanted, runs.bytes / width);
    if (runs.one !== undefined) return runs.one;
    return yield* joinRuns(parts, runs);
  }
  // each element takes a byte at least, so that no shape reserves more than eight times what came
  if (runs.bytes < wanted.count && wanted.fewer !== true) throw tooFew(wanted, `${runs.bytes} bytes`);
  return yield* readVarints(parts, runs);
}

/** Elements that stand together on the wire: a packed list, or one element. */
interface Run {
  readonly field: number;
  readonly buffer: Uint8Array;
  readonly from: number;
  readonly to: number;
}

/** What the first walk over the elements finds. */
interface Runs {
  readonly wanted: ContentsWanted;
  readonly field: ContentsField | undefined;
  readonly byNumber: ReadonlyMap<number | undefined, ContentsField | undefined>;
  pieces: number;
  bytes: number;
  elements: number;
  /** All elements, when they stand together. */
  one: Uint8Array | undefined;
}

function survey(runs: Runs, run: Run): void {
  const { wanted, field, byNumber } = runs;
  const bytes = run.to - run.from;
  if (run.field !== field?.number) {
    const other = byNumber.get(run.field);
    if (bytes === 0 && other?.wire !== WIRE.bytes) return;
    const place = field === undefined ? "raw contents only" : field.name;
    throw invalid(`${wanted.label}: ${wanted.datatype} goes in ${place}, got ${other?.name}`);
  }
  runs.pieces += 1;
  runs.bytes += bytes;
  runs.elements += 1;
  runs.one = runs.pieces === 1 ? run.buffer.subarray(run.from, run.to) : undefined;
}

/** Walks over the runs of one message of contents; fields that nobody knows are stepped over. */
function* eachRun(part: Uint8Array, { wanted, byNumber }: Runs, use: (run: Run) => void): Sliced<void> {
  const reader = openReader(part);
  while (reader.pos < reader.len) {
    const run = nextRun(reader, part, byNumber);
    if (run !== undefined) use(run);
    if (isDue(wanted.pace, 16)) yield;
  }
}

function nextRun(reader: ProtoReader, part: Uint8Array, byNumber: Runs["byNumber"]): Run | undefined {
  try {
    const tag = reader.tag();
    const field = tag >>> 3;
    const wire = tag & 7;
    const own = byNumber.get(field)?.wire;
    if (own === undefined || (wire !== own && wire !== WIRE.bytes)) {
      skipField(reader, tag);
      return undefined;
    }
    const length = wire === WIRE.bytes ? reader.size() : undefined;
    const from = reader.pos;
    if (length === undefined) skipField(reader, tag);
    else reader.skip(length);
    return { field, buffer: part, from, to: reader.pos };
  } catch (error) {
    throw malformed(error);
  }
}

function* joinRuns(parts: readonly Uint8Array[], runs: Runs): Sliced<Uint8Array> {
  const data = new Uint8Array(runs.bytes);
  let at = 0;
  for (const part of parts) {
    yield* eachRun(part, runs, (run) => {
      if (run.field !== runs.field?.number) return;
      data.set(run.buffer.subarray(run.from, run.to), at);
      at += run.to - run.from;
    });
  }
  return data;
}

function* readBytesElements(parts: readonly Uint8Array[], runs: Runs): Sliced<Uint8Array> {
  expectCount(runs.wanted, runs.elements);
  const data = new Uint8Array(runs.bytes + 4 * runs.elements);
  const view = new DataView(data.buffer);
  let at = 0;
  for (const part of parts) {
    yield* eachRun(part, runs, (run) => {
      if (run.field !== runs.field?.number) return;
      view.setUint32(at, run.to - run.from, true);
      data.set(run.buffer.subarray(run.from, run.to), at + 4);
      at += 4 + run.to - run.from;
    });
  }
  return data;
}

/** Where elements go. */
interface Sink {
  readonly data: Uint8Array;
  /** Puts the element that has these two halves. */
  put(index: number, low: number, high: number): void;
  index: number;
}

function* readVarints(parts: readonly Uint8Array[], runs: Runs): Sliced<Uint8Array> {
  const { wanted } = runs;
  // an element takes a byte at least
  const sink = openSink(wanted, Math.min(wanted.count, runs.bytes));
  for (const part of parts) {
    const pending: Run[] = [];
    const walk = eachRun(part, runs, (run) => {
      if (run.field === runs.field?.number) pending.push(run);
    });
    // a run at a time, so that elements which are not packed are never held all at once
    for (let step = walk.next(); ; step = walk.next()) {
      for (const run of pending.splice(0)) yield* readRun(run, sink, wanted);
      if (step.done) break;
      yield;
    }
  }
  expectCount(wanted, sink.index);
  return sink.data.subarray(0, sink.index * ELEMENT_BYTES[wanted.datatype]);
}

/** Elements read without asking for time. */
const GROUP = 1024;

function* readRun(run: Run, sink: Sink, wanted: ContentsWanted): Sliced<void> {
  let at = run.from;
  while (at < run.to) {
    const from = at;
    at = readGroup(run, at, { sink, wanted });
    if (isDue(wanted.pace, at - from)) yield;
  }
}

function readGroup(run: Run, start: number, into: { readonly sink: Sink; readonly wanted: ContentsWanted }): number {
  const { buffer, to } = run;
  const { sink, wanted } = into;
  let at = start;
  for (let i = 0; i < GROUP && at < to; i++) {
    if (sink.index === wanted.count) throw tooFew(wanted, "more");
    let byte = buffer[at++] as number;
    let low = byte & 0x7f;
    let high = 0;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (at === to || shift > 63) throw malformed(new Error(`a number that does not end at byte ${at}`));
      byte = buffer[at++] as number;
      const bits = byte & 0x7f;
      if (shift < 32) low = (low | (bits << shift)) >>> 0;
      if (shift > 31) high = (high | (bits << (shift - 32))) >>> 0;
      else if (shift > 25) high = bits >>> (32 - shift);
    }
    sink.put(sink.index, low, high);
    sink.index += 1;
  }
  return at;
}

function openSink(wanted: ContentsWanted, count: number): Sink {
  const { datatype } = wanted;
  const data = new Uint8Array(count * ELEMENT_BYTES[datatype]);
  if (datatype === "BOOL") {
    const put = (index: number, low: number, high: number) => {
      data[index] = low === 0 && high === 0 ? 0 : 1;
    };
    return { data, put, index: 0 };
  }
  if (datatype === "INT64" || datatype === "UINT64") {
    const halves = new Uint32Array(data.buffer);
    const put = (index: number, low: number, high: number) => {
      halves[index * 2] = low;
      halves[index * 2 + 1] = high;
    };
    return { data, put, index: 0 };
  }
  return { data, put: openSmallInts(wanted, data), index: 0 };
}

// An int32 or uint32 of protobuf is its low 32 bits, whatever stands above them.
function openSmallInts(wanted: ContentsWanted, data: Uint8Array): (index: number, low: number) => void {
  const { datatype, label } = wanted;
  const out = smallInts(datatype, data);
  const isSigned = datatype.startsWith("I");
  return (index, low) => {
    const value = isSigned ? low | 0 : low;
    out[index] = value;
    if (out[index] !== value) throw invalid(`${label}: element ${index} is ${value}, beyond ${datatype}'s range`);
  };
}

function smallInts(datatype: Datatype, data: Uint8Array) {
  switch (datatype) {
    case "INT8":
      return new Int8Array(data.buffer);
    case "INT16":
      return new Int16Array(data.buffer);
    case "INT32":
      return new Int32Array(data.buffer);
    case "UINT8":
      return data;
    case "UINT16":
    case "FP16":
    case "BF16":
      return new Uint16Array(data.buffer);
    case "UINT32":
      return new Uint32Array(data.buffer);
    default:
      throw new InferError("internal", `${datatype} has no typed integers`);
  }
}

function expectCount(wanted: ContentsWanted, got: number): void {
  if (got === wanted.count || (wanted.fewer === true && got < wanted.count && Number.isInteger(got))) return;
  throw tooFew(wanted, Number.isInteger(got) ? String(got) : "a broken one");
}

function tooFew({ label, shape, count, datatype, fields }: ContentsWanted, got: string): InferError {
  const raw = (fields ?? OIP_FIELDS)[datatype] === undefined ? `; ${datatype} goes in raw contents only` : "";
  return invalid(`${label}: shape [${shape.join(",")}] needs ${count} elements, got ${got}${raw}`);
}
