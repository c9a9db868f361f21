// The values that the matrix sends through every pair of front and backend: each as bytes, and as tokens of JSON written by hand.

import type { Datatype, Tensor } from "../../core/tensor.ts";

export interface Value extends Pick<Tensor, "datatype" | "shape" | "data"> {
  readonly name: string;
  /** Each element in JSON; a text's bytes for BYTES, which have no token of their own. */
  readonly tokens: readonly (string | Uint8Array)[];
}

type Setter = (view: DataView, at: number, token: string) => void;

const float =
  (method: "setFloat16" | "setFloat32" | "setFloat64"): Setter =>
  (view, at, token) =>
    view[method](at, Number(token), true);

/** The bytes of a token by its datatype. Written apart from wire/. */
const SETTERS: Record<Exclude<Datatype, "BYTES">, readonly [width: number, set: Setter]> = {
  BOOL: [1, (view, at, token) => view.setUint8(at, token === "true" ? 1 : 0)],
  UINT8: [1, (view, at, token) => view.setUint8(at, Number(token))],
  UINT16: [2, (view, at, token) => view.setUint16(at, Number(token), true)],
  UINT32: [4, (view, at, token) => view.setUint32(at, Number(token), true)],
  UINT64: [8, (view, at, token) => view.setBigUint64(at, BigInt(token), true)],
  INT8: [1, (view, at, token) => view.setInt8(at, Number(token))],
  INT16: [2, (view, at, token) => view.setInt16(at, Number(token), true)],
  INT32: [4, (view, at, token) => view.setInt32(at, Number(token), true)],
  INT64: [8, (view, at, token) => view.setBigInt64(at, BigInt(token), true)],
  FP16: [2, float("setFloat16")],
  BF16: [2, (view, at, token) => view.setUint16(at, bfloat16(Number(token)), true)],
  FP32: [4, float("setFloat32")],
  FP64: [8, float("setFloat64")],
};

// exact for the values below, whose lower half is zero
function bfloat16(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
}

/** The canonical bytes of elements. */
export function bytesOfTokens(datatype: Datatype, tokens: Value["tokens"]): Uint8Array {
  if (datatype === "BYTES") return Buffer.concat(tokens.flatMap((text) => prefixed(Buffer.from(text))));
  const [width, set] = SETTERS[datatype];
  const data = new Uint8Array(tokens.length * width);
  const view = new DataView(data.buffer);
  for (const [i, token] of tokens.entries()) set(view, i * width, `${token}`);
  return data;
}

function prefixed(text: Uint8Array): readonly Uint8Array[] {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.byteLength);
  return [length, text];
}

/** A value of the matrix. */
export function value(name: string, datatype: Datatype, shape: readonly number[], tokens: Value["tokens"]): Value {
  return { name, datatype, shape, tokens, data: bytesOfTokens(datatype, tokens) };
}

const text = (...texts: readonly (string | Uint8Array)[]) => texts.map((one) => Buffer.from(one));

/** In the order of the table. */
export const VALUES: readonly Value[] = [
  value("BOOL", "BOOL", [2, 2], ["true", "false", "false", "true"]),
  value("UINT8", "UINT8", [1, 2], ["0", "255"]),
  value("UINT16", "UINT16", [1, 2], ["0", "65535"]),
  value("UINT32", "UINT32", [1, 2], ["0", "4294967295"]),
  value("UINT64", "UINT64", [1, 2], ["9007199254740993", "18446744073709551615"]),
  value("INT8", "INT8", [1, 2], ["-128", "127"]),
  value("INT16", "INT16", [1, 2], ["-32768", "32767"]),
  value("INT32", "INT32", [1, 2], ["-2147483648", "2147483647"]),
  value("INT64", "INT64", [1, 3], ["-9223372036854775808", "9007199254740993", "9223372036854775807"]),
  value("FP16", "FP16", [1, 2], ["1.5", "-65504"]),
  value("BF16", "BF16", [1, 2], ["1.5", "-2"]),
  value("FP32", "FP32", [1, 4], ["0.10000000149011612", "-0.0", "3.4028234663852886e38", "1.401298464324817e-45"]),
  value("FP64", "FP64", [1, 4], ["0.1", "-0.0", "1.7976931348623157e308", "5e-324"]),
  value("NaN", "FP32", [1, 2], ["1.5", "NaN"]),
  value("Infinity", "FP32", [1, 2], ["1.5", "Infinity"]),
  value("-Infinity", "FP64", [1, 2], ["1.5", "-Infinity"]),
  value("several rows", "FP32", [3, 2], ["1.5", "2.0", "3.0", "4.0", "5.0", "6.0"]),
  value("scalar", "FP32", [], ["1.5"]),
  value("no rows", "FP32", [0, 2], []),
  value("empty rows", "FP32", [2, 0], []),
  value("text", "BYTES", [1, 2], text("a", "é€😀")),
  value("empty text", "BYTES", [1, 2], text("", "b")),
  value("text with NUL", "BYTES", [1, 2], text("a\0b", "c")),
  value("not UTF-8", "BYTES", [1, 2], text(Uint8Array.of(0xff, 0xfe, 0x00, 0x80), "d")),
];
