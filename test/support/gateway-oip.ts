// The Open Inference Protocol as a client speaks it, written apart from wire/ so that the one can be held against the other.

import { gunzipSync, inflateSync } from "node:zlib";
import type { Answer } from "./http-client.ts";

export type Kind = keyof typeof WIDTHS;

/** Bytes of one element; 0 for BYTES. */
export const WIDTHS = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  FP32: 4,
  FP64: 8,
  BYTES: 0,
} as const;

/** An array with its bytes as the binary extension has them. */
export interface Plain {
  readonly name: string;
  readonly datatype: Kind;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export interface Body {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** What stands beside the inputs in a request: id, parameters, outputs. */
export type Beside = Readonly<Record<string, unknown>>;

/** Inputs as JSON alone. */
export function jsonBody(inputs: readonly Plain[], beside: Beside = {}): Body {
  return mixedBody(inputs, { binary: [], beside });
}

/** Every input as a blob behind the JSON; the answer is asked for as blobs too unless `beside` says otherwise. */
export function binaryBody(
  inputs: readonly Plain[],
  beside: Beside = { parameters: { binary_data_output: true } },
): Body {
  return mixedBody(inputs, { binary: inputs.map((input) => input.name), beside });
}

/** Those inputs as blobs that are named, the others as JSON. */
export function mixedBody(
  inputs: readonly Plain[],
  how: { readonly binary: readonly string[]; readonly beside?: Beside },
): Body {
  const blobs = inputs.filter((input) => how.binary.includes(input.name));
  const members = Object.entries(how.beside ?? {}).map(
    ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`,
  );
  members.push(`"inputs":[${inputs.map((input) => inputText(input, blobs.includes(input))).join(",")}]`);
  const head = Buffer.from(`{${members.join(",")}}`);
  if (blobs.length === 0) return { body: head, headers: { "content-type": "application/json" } };
  return {
    body: Buffer.concat([head, ...blobs.map((blob) => blob.data)]),
    headers: {
      "content-type": "application/octet-stream",
      "inference-header-content-length": String(head.byteLength),
    },
  };
}

function inputText(input: Plain, asBlob: boolean): string {
  const head = `"name":${JSON.stringify(input.name)},"shape":${JSON.stringify(input.shape)},"datatype":"${input.datatype}"`;
  if (asBlob) return `{${head},"parameters":{"binary_data_size":${input.data.byteLength}}}`;
  return `{${head},"data":[${elementTexts(input).join(",")}]}`;
}

/** Each element as its JSON token; floats are written so that reading them as doubles and narrowing gives their bits. */
export function elementTexts(tensor: Plain): string[] {
  return elements(tensor).map((value) => {
    if (typeof value === "string") return JSON.stringify(value);
    if (Object.is(value, -0)) return "-0";
    return String(value);
  });
}

type Element = number | bigint | boolean | string;

/** The elements as JavaScript values. */
export function elements(tensor: Plain): Element[] {
  const { data, datatype } = tensor;
  if (datatype === "BYTES") return texts(data);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const width = WIDTHS[datatype];
  return Array.from({ length: data.byteLength / width }, (_, index) => GET[datatype](view, index * width));
}

const GET: Record<Exclude<Kind, "BYTES">, (view: DataView, at: number) => Element> = {
  BOOL: (view, at) => view.getUint8(at) === 1,
  UINT8: (view, at) => view.getUint8(at),
  UINT16: (view, at) => view.getUint16(at, true),
  UINT32: (view, at) => view.getUint32(at, true),
  UINT64: (view, at) => view.getBigUint64(at, true),
  INT8: (view, at) => view.getInt8(at),
  INT16: (view, at) => view.getInt16(at, true),
  INT32: (view, at) => view.getInt32(at, true),
  INT64: (view, at) => view.getBigInt64(at, true),
  FP16: (view, at) => view.getFloat16(at, true),
  FP32: (view, at) => view.getFloat32(at, true),
  FP64: (view, at) => view.getFloat64(at, true),
};

const SET: Record<Exclude<Kind, "BYTES">, (view: DataView, at: number, value: Element) => void> = {
  BOOL: (view, at, value) => view.setUint8(at, value === true ? 1 : 0),
  UINT8: (view, at, value) => view.setUint8(at, Number(value)),
  UINT16: (view, at, value) => view.setUint16(at, Number(value), true),
  UINT32: (view, at, value) => view.setUint32(at, Number(value), true),
  UINT64: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
  INT8: (view, at, value) => view.setInt8(at, Number(value)),
  INT16: (view, at, value) => view.setInt16(at, Number(value), true),
  INT32: (view, at, value) => view.setInt32(at, Number(value), true),
  INT64: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
  FP16: (view, at, value) => view.setFloat16(at, Number(value), true),
  FP32: (view, at, value) => view.setFloat32(at, Number(value), true),
  FP64: (view, at, value) => view.setFloat64(at, Number(value), true),
};

/** A tensor from its elements. */
export function plain(name: string, datatype: Kind, shape: readonly number[], values: readonly Element[]): Plain {
  if (datatype === "BYTES") {
    const parts = values.map((value) => {
      const text = Buffer.from(String(value));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(text.byteLength);
      return Buffer.concat([length, text]);
    });
    return { name, datatype, shape, data: Buffer.concat(parts) };
  }
  const width = WIDTHS[datatype];
  const data = new Uint8Array(values.length * width);
  const view = new DataView(data.buffer);
  for (const [index, value] of values.entries()) SET[datatype](view, index * width, value);
  return { name, datatype, shape, data };
}

function texts(data: Uint8Array): string[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const found: string[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const length = bytes.readUInt32LE(at);
    found.push(bytes.toString("utf8", at + 4, at + 4 + length));
    at += 4 + length;
  }
  return found;
}

/** An answer to infer, its outputs as bytes whichever way they came. */
export interface InferAnswer {
  readonly id?: string;
  readonly model_name: string;
  readonly model_version: string;
  readonly outputs: readonly Plain[];
  /** Whether any output came as a blob. */
  readonly binary: boolean;
}

interface RawOutput {
  readonly name: string;
  readonly datatype: Kind;
  readonly shape: readonly number[];
  readonly parameters?: { readonly binary_data_size?: string };
  readonly data?: readonly (string | boolean)[];
}

/** Reads an answer of status 200; throws where it is not what the protocol says. */
export function readInfer(answer: Answer): InferAnswer {
  if (answer.status !== 200) throw new Error(`expected 200, got ${answer.status}: ${answer.body}`);
  const headerLength = answer.headers["inference-header-content-length"];
  const body = inflatedBody(answer);
  const jsonEnd = headerLength === undefined ? body.byteLength : Number(headerLength);
  const read = parseTokens(body.toString("utf8", 0, jsonEnd)) as Omit<InferAnswer, "outputs"> & {
    readonly outputs: readonly RawOutput[];
  };
  let at = jsonEnd;
  const outputs = read.outputs.map(({ name, datatype, shape, parameters, data }): Plain => {
    const size = shape.map(Number);
    if (data !== undefined)
      return plain(
        name,
        datatype,
        size,
        data.map((token) => elementOf(datatype, token)),
      );
    const length = Number(parameters?.binary_data_size);
    at += length;
    return { name, datatype, shape: size, data: body.subarray(at - length, at) };
  });
  if (at !== body.byteLength) throw new Error(`${body.byteLength - at} bytes are left behind the outputs`);
  return { ...read, outputs, binary: headerLength !== undefined };
}

/** The answer's body without its compression. */
export function inflatedBody(answer: Answer): Buffer {
  const coding = answer.headers["content-encoding"];
  if (coding === undefined) return answer.body;
  return coding === "gzip" ? gunzipSync(answer.body) : inflateSync(answer.body);
}

/** JSON with every number as its own text, so that none is rounded, and with NaN and Infinity. */
function parseTokens(text: string): unknown {
  const quoted = text.replace(/(?<=[[,:])(NaN|-?Infinity)(?=[\],}])/g, '"$1"');
  const exact = (_key: string, value: unknown, context?: { readonly source?: string }) =>
    typeof value === "number" ? (context?.source ?? String(value)) : value;
  return JSON.parse(quoted, exact as Parameters<typeof JSON.parse>[1]);
}

function elementOf(datatype: Kind, token: string | boolean): Element {
  if (typeof token === "boolean" || datatype === "BYTES") return token;
  return datatype === "INT64" || datatype === "UINT64" ? BigInt(token) : Number(token);
}

/** Bytes with every NaN the same: JSON has one NaN only. */
export function sameNaN(tensor: Plain): Plain {
  if (tensor.datatype !== "FP32" && tensor.datatype !== "FP64") return tensor;
  // the engine may carry a NaN's sign and payload along, the literal has neither
  const values = elements(tensor).map((value) => (Number.isNaN(value) ? Number.NaN : value));
  return plain(tensor.name, tensor.datatype, tensor.shape, values);
}
