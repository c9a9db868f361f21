// What a person gives as input of a model, turned into tensors: files of JSON, NumPy arrays and images, or a value as typed.

import type { TensorSpec } from "../../core/model.ts";
import { elementCount, joinBytesElements, type Tensor } from "../../core/tensor.ts";
import { decodeRequest } from "../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS } from "../../wire/oip-json.ts";
import { runNow } from "../../wire/sliced.ts";
import { imageTensor, readImage } from "./image.ts";
import { CliError, EXIT, type Io, readBytes } from "./io.ts";
import { readNpy } from "./npy.ts";

/** The text after `--input`, read: for which input, if said, and where its value is. */
export interface Given {
  readonly name: string | undefined;
  readonly from: { readonly file: string } | { readonly text: string };
}

/** A request ready to be sent: tensors, or the body that a file holds already. */
export type Prepared =
  | { readonly kind: "tensors"; readonly inputs: readonly Tensor[]; readonly said: readonly string[] }
  | { readonly kind: "body"; readonly body: Uint8Array };

/** What all the inputs of one request are read with. */
export interface InputContext {
  readonly io: Io;
  readonly specs: readonly TensorSpec[];
  /** What pixel values are multiplied by. */
  readonly scale: number;
}

/** `@file`, `name=@file`, `name=value` or a value; a name counts only where the model has such an input. */
export function readGiven(text: string, specs: readonly TensorSpec[]): Given {
  const at = text.indexOf("=");
  const before = at < 0 ? undefined : text.slice(0, at);
  const named = specs.some(({ name }) => name === before);
  const rest = named ? text.slice(at + 1) : text;
  if (!named && before !== undefined && text.startsWith("@", at + 1)) {
    throw new CliError(`expected an input of the model (${specs.map(({ name }) => name).join(", ")}), got "${before}"`);
  }
  const from = rest.startsWith("@") ? { file: rest.slice(1) } : { text: rest };
  return { name: named ? before : undefined, from };
}

/** @throws CliError or InferError naming the input and what was expected */
export async function prepare(given: readonly string[], context: InputContext): Promise<Prepared> {
  const { io, specs } = context;
  const sources = given.map((text) => readGiven(text, specs));
  const inputs: Tensor[] = [];
  const said: string[] = [];
  for (const source of sources) {
    const bytes = "file" in source.from ? await readBytes(io, source.from.file) : Buffer.from(source.from.text);
    if (source.name === undefined && isRequest(bytes)) {
      if (sources.length === 1) return { kind: "body", body: bytes };
      throw new CliError("expected one whole request, or inputs one by one, got both", EXIT.usage);
    }
    const spec = specFor(source, context.specs);
    const converted = convert(bytes, spec, {
      file: "file" in source.from ? source.from.file : undefined,
      scale: context.scale,
    });
    inputs.push(converted.tensor);
    if (converted.said !== undefined) said.push(`${spec.name}: ${converted.said}`);
  }
  return { kind: "tensors", inputs, said };
}

function specFor({ name }: Given, specs: readonly TensorSpec[]): TensorSpec {
  const spec = name === undefined ? specs[0] : specs.find((one) => one.name === name);
  if (spec === undefined) throw new CliError("the model has no inputs");
  if (name !== undefined || specs.length === 1) return spec;
  const names = specs.map((one) => `${one.name}=...`).join(" --input ");
  throw new CliError(`expected the name of each input, as the model has ${specs.length}: --input ${names}`, EXIT.usage);
}

interface Origin {
  /** The file that the bytes came from; undefined for a value as typed. */
  readonly file: string | undefined;
  readonly scale: number;
}

function convert(
  bytes: Uint8Array,
  spec: TensorSpec,
  origin: Origin,
): { readonly tensor: Tensor; readonly said?: string } {
  const file = origin.file ?? "the value";
  if (startsWith(bytes, [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59])) return { tensor: fromNpy(bytes, spec, file) };
  const isImage = startsWith(bytes, [0x89, 0x50, 0x4e, 0x47]) || startsWith(bytes, [0xff, 0xd8, 0xff]);
  if (spec.datatype === "BYTES") return { tensor: fromText(bytes, spec) };
  if (isImage) return imageTensor(readImage(bytes, file), spec, origin.scale);
  return { tensor: fromJson(bytes, spec) };
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

function isRequest(bytes: Uint8Array): boolean {
  const value = parseJson(bytes);
  return typeof value === "object" && value !== null && "inputs" in value;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
}

function fromNpy(bytes: Uint8Array, spec: TensorSpec, file: string): Tensor {
  const { datatype, shape, data } = readNpy(bytes, file);
  if (datatype !== spec.datatype) {
    throw new CliError(
      `${file}: expected ${spec.datatype}, as input "${spec.name}" has it, got ${datatype} (numpy's astype)`,
    );
  }
  return { name: spec.name, datatype, shape: fitShape(shape, spec), data };
}

// A JSON text or list of texts is that; anything else is one element as it stands: a sentence, a picture.
function fromText(bytes: Uint8Array, spec: TensorSpec): Tensor {
  const value = parseJson(bytes);
  if (typeof value === "string" || Array.isArray(value)) return fromJson(bytes, spec);
  const shape = spec.shape.map((size) => (size === -1 ? 1 : size));
  return { name: spec.name, datatype: "BYTES", shape, data: joinBytesElements([bytes]) };
}

function fromJson(bytes: Uint8Array, spec: TensorSpec): Tensor {
  const value = parseJson(bytes);
  if (value === undefined) {
    const text = Buffer.from(bytes.subarray(0, 40)).toString();
    throw new CliError(
      `input "${spec.name}": expected JSON such as [1, 2], or @file, got ${JSON.stringify(text)}`,
      EXIT.usage,
    );
  }
  const nested = nestedShape(value);
  const shape = fitShape(nested, spec);
  // the numbers' own text goes through, so that 64-bit integers stay exact; one more list where a batch of one was added
  const text = Buffer.from(bytes).toString();
  const isWrapped = nested.length === 0 || (nested.length > 1 && nested.length < shape.length);
  const data = isWrapped ? `[${text}]` : text;
  const head = JSON.stringify({ name: spec.name, shape, datatype: spec.datatype });
  const request = Buffer.from(`{"inputs":[${head.slice(0, -1)},"data":${data}}]}`);
  const [tensor] = runNow(decodeRequest(request, { limits: DEFAULT_WIRE_LIMITS })).inputs;
  if (tensor === undefined) throw new CliError(`input "${spec.name}": expected a value, got none`);
  return tensor;
}

// The lengths along the first elements; whether all the others agree is for the codec to say.
function nestedShape(value: unknown): readonly number[] {
  return Array.isArray(value) ? [value.length, ...nestedShape(value[0])] : [];
}

/**
 * The shape that data of the shape `given` has for the input: its own where the ranks agree; with a batch of one before
 * it where that alone is missing; for a flat list, the input's with its one open size filled.
 *
 * @throws CliError when the input leaves more open than the data tells
 */
export function fitShape(given: readonly number[], spec: TensorSpec): readonly number[] {
  const wanted = spec.shape;
  if (given.length === wanted.length) return given;
  if (given.length === wanted.length - 1 && wanted[0] === -1 && fits(given, wanted.slice(1))) return [1, ...given];
  const count = elementCount(given);
  const fixed = elementCount(wanted.filter((size) => size !== -1));
  const open = wanted.filter((size) => size === -1).length;
  // a batch of one may stand for an open first size, which leaves at most one other to be filled
  const filled = wanted.map((size, i) => (size === -1 && open === 2 && i === 0 ? 1 : size));
  const left = open === 2 && wanted[0] === -1 ? 1 : open;
  if (given.length <= 1 && left <= 1 && fixed > 0 && (left === 1 ? count % fixed === 0 : count === fixed)) {
    return filled.map((size) => (size === -1 ? count / fixed : size));
  }
  throw new CliError(
    `input "${spec.name}": expected data of shape [${wanted.join(",")}], got [${given.join(",")}] (nest the lists as the shape has them)`,
  );
}

function fits(given: readonly number[], wanted: readonly number[]): boolean {
  return given.every((size, i) => wanted[i] === -1 || wanted[i] === size);
}
