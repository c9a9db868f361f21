// Reads the tensors of Open Inference Protocol messages over gRPC, with raw or typed contents.

import { InferError, invalid } from "../core/error.ts";
import {
  DATATYPES,
  type Datatype,
  ELEMENT_BYTES,
  isDatatype,
  type ParameterValue,
  type Tensor,
} from "../core/tensor.ts";
import { countElements } from "./oip-blobs.ts";
import type { WireLimits } from "./oip-json.ts";
import { readContents } from "./oip-proto-contents.ts";
import { readParameter } from "./oip-proto-parameters.ts";
import { type ReadRegion, readPart, takeRegion } from "./oip-regions.ts";
import { countOf } from "./oip-tensors.ts";
import { bigintOf, type FieldBudget, type ProtoReader, readFields, readText, WIRE } from "./protobuf.ts";
import { openPace, type Pace, type Sliced, type SliceOptions } from "./sliced.ts";

/** No runtime has more dimensions than this (NumPy's limit). */
const MAX_RANK = 64;

/** A tensor as its message has it: its elements as they came, if they are typed. */
export interface ProtoTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  readonly contents: readonly Uint8Array[];
}

/** Which tensor is read, and how errors name it. */
export interface TensorAt {
  readonly word: "input" | "output";
  readonly index: number;
  readonly budget: FieldBudget;
}

/**
 * Reads InferInputTensor or InferOutputTensor, whose fields are the same: name 1, datatype 2, shape 3, parameters 4,
 * contents 5. Source: open_inference_grpc.proto.
 *
 * @throws InferError invalid-argument for a name or a datatype that is missing, and a shape that is none
 */
export function readTensor(reader: ProtoReader, at: TensorAt): ProtoTensor {
  let name = "";
  let word = "";
  const sizes: bigint[] = [];
  const parameters = new Map<string, ParameterValue>();
  const contents: Uint8Array[] = [];
  const of = `${at.word} ${at.index}`;
  readFields(reader, at.budget, (field, wire) => {
    if (field === 3) return readSizes(reader, wire, { sizes, of });
    if (wire !== WIRE.bytes) return false;
    if (field === 1) name = readText(reader);
    else if (field === 2) word = readText(reader);
    else if (field === 4) readParameter(reader, { into: parameters, of, budget: at.budget });
    else if (field === 5) contents.push(reader.bytes());
    else return false;
    return true;
  });
  if (name === "") throw invalid(`${of}: expected a name, got none`);
  const label = `${at.word} "${name}"`;
  if (!isDatatype(word)) {
    const got = word === "" ? "none" : JSON.stringify(word.slice(0, 24));
    throw invalid(`${label}: expected a datatype of ${DATATYPES.join(", ")}, got ${got}`);
  }
  return { name, datatype: word, shape: shapeOf(sizes, label), parameters, contents };
}

function readSizes(
  reader: ProtoReader,
  wire: number,
  { sizes, of }: { readonly sizes: bigint[]; readonly of: string },
): boolean {
  if (wire !== WIRE.varint && wire !== WIRE.bytes) return false;
  const end = wire === WIRE.varint ? reader.pos + 1 : reader.size() + reader.pos;
  if (end > reader.len) throw invalid(`malformed protobuf message: a shape ends at byte ${end} of ${reader.len}`);
  while (reader.pos < end) {
    if (sizes.length === MAX_RANK) throw invalid(`${of}: expected a shape of at most ${MAX_RANK} dimensions, got more`);
    sizes.push(bigintOf(reader.int64()));
  }
  return true;
}

function shapeOf(sizes: readonly bigint[], label: string): readonly number[] {
  return sizes.map((size) => {
    if (size >= 0n && size <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(size);
    throw invalid(`${label}: expected a shape of whole numbers of at least 0, got ${size}`);
  });
}

/** Reads the outputs that a request asks for: name 1, parameters 2. */
export function readRequestedOutput(reader: ProtoReader, index: number, budget: FieldBudget) {
  let name = "";
  const parameters = new Map<string, ParameterValue>();
  readFields(reader, budget, (field, wire) => {
    if (wire !== WIRE.bytes) return false;
    if (field === 1) name = readText(reader);
    else if (field === 2) readParameter(reader, { into: parameters, of: `output ${index}`, budget });
    else return false;
    return true;
  });
  if (name === "") throw invalid(`output ${index}: expected a name, got none`);
  return { name, parameters };
}

/** All tensors of one message. */
export interface ProtoTensors {
  readonly word: "input" | "output";
  readonly tensors: readonly ProtoTensor[];
  /** Raw contents, the first for the first tensor; none when the contents are typed. */
  readonly raw: readonly Uint8Array[];
}

/** How they may be read. */
export interface TensorsOptions extends SliceOptions {
  readonly limits: WireLimits;
  /** Reads what lies in shared memory; refused when absent. */
  readonly shared?: ReadRegion;
}

/**
 * The tensors with their bytes, checked: raw contents as views, typed ones made canonical.
 *
 * @throws InferError invalid-argument for a name that stands twice, raw and typed contents mixed, a number of raw
 * contents other than that of tensors, bytes that are not the shape's; unsupported for shared memory; too-large beyond
 * `maxElements` typed elements
 */
export function* takeTensors(read: ProtoTensors, options: TensorsOptions): Sliced<readonly Tensor[]> {
  const { word, tensors, raw } = read;
  const pace = openPace(options);
  const isRaw = raw.length > 0;
  const inMessage = tensors.filter(({ parameters }) => !parameters.has("shared_memory_region")).length;
  if (isRaw && raw.length !== inMessage) {
    throw invalid(`expected raw contents for ${inMessage} ${word}s, got ${raw.length}`);
  }
  let next = 0;
  const taken: Tensor[] = [];
  const names = new Set<string>();
  let elements = 0;
  for (const tensor of tensors) {
    const { name, datatype, shape } = tensor;
    const label = `${word} "${name}"`;
    if (names.has(name)) throw invalid(`${label} stands twice`);
    names.add(name);
    const { part, rest: parameters } = takeRegion(tensor.parameters, label);
    const count = countOf(shape, label);
    if (!isRaw && part === undefined) elements += count;
    checkElements(elements, label, options.limits);
    const bytes = part !== undefined ? yield* readPart(part, label, options.shared) : isRaw ? raw[next++] : undefined;
    const data =
      bytes !== undefined
        ? yield* checkRaw(bytes, { tensor, label, count, pace })
        : yield* readContents(tensor.contents, { label, datatype, shape, count, pace });
    taken.push({ name, datatype, shape, ...(parameters.size === 0 ? {} : { parameters }), data });
  }
  return taken;
}

function checkElements(elements: number, label: string, { maxElements }: WireLimits): void {
  if (maxElements === undefined || elements <= maxElements) return;
  throw new InferError("too-large", `${label}: expected at most ${maxElements} typed elements, got ${elements}`);
}

interface RawAt {
  readonly tensor: ProtoTensor;
  readonly label: string;
  readonly count: number;
  readonly pace: Pace;
}

function* checkRaw(data: Uint8Array, { tensor, label, count, pace }: RawAt): Sliced<Uint8Array> {
  const { datatype, shape, contents } = tensor;
  if (contents.some((part) => part.byteLength > 0)) {
    throw invalid(`${label}: expected no typed contents beside raw contents, got both`);
  }
  if (datatype === "BYTES") {
    const seen = yield* countElements(data, label, pace);
    if (seen === count) return data;
    throw invalid(`${label}: shape [${shape.join(",")}] needs ${count} BYTES elements, got ${seen}`);
  }
  const needed = count * ELEMENT_BYTES[datatype];
  if (data.byteLength === needed) return data;
  throw invalid(
    `${label}: ${datatype} of shape [${shape.join(",")}] needs ${needed} bytes, got ${data.byteLength} raw bytes`,
  );
}
