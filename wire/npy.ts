// NumPy's .npy arrays, read and written. Source: NumPy, "NEP 1: a simple file format", versions 1.0 to 3.0.

import { InferError, invalid } from "../core/error.ts";
import { type Datatype, ELEMENT_BYTES, elementCount, type Tensor } from "../core/tensor.ts";

/** The media type under which servers take and give arrays in this form. Source: aws/sagemaker-inference-toolkit. */
export const NPY_TYPE = "application/x-npy";

/** NumPy's own limit is 10,000 (numpy.lib.format, _MAX_HEADER_SIZE); structured headers are longer. */
const MAX_HEADER_BYTES = 64 * 1024;

const MAGIC = "\u0093NUMPY";

/** NumPy's letter and size of each datatype; the byte order stands before it. */
const DATATYPES: Readonly<Record<string, Datatype>> = {
  b1: "BOOL",
  u1: "UINT8",
  u2: "UINT16",
  u4: "UINT32",
  u8: "UINT64",
  i1: "INT8",
  i2: "INT16",
  i4: "INT32",
  i8: "INT64",
  f2: "FP16",
  f4: "FP32",
  f8: "FP64",
};

/** An array without a name. */
export type NpyArray = Pick<Tensor, "datatype" | "shape" | "data">;

/**
 * The array of a .npy body; its data is a view into the body, save for big-endian numbers, which are turned round.
 *
 * @throws InferError invalid-argument for anything but one whole array of plain numbers in C order
 */
export function decodeNpy(bytes: Uint8Array): NpyArray {
  const { header, at } = readHeader(bytes);
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const dims = /'shape':\s*\(([\d\s,L]*)\)/.exec(header)?.[1];
  if (descr === undefined) throw invalid("expected an array of plain numbers, got a structured one");
  if (order === undefined || dims === undefined)
    throw invalid(`expected a .npy header, got ${header.trim().slice(0, 80)}`);
  const shape = dims.split(",").flatMap((size) => (/\d/.test(size) ? [Number.parseInt(size, 10)] : []));
  if (order === "True") {
    throw invalid("expected an array in C order (numpy.ascontiguousarray), got one in Fortran order");
  }
  const datatype = datatypeOf(descr);
  const needed = elementCount(shape) * ELEMENT_BYTES[datatype];
  const data = bytes.subarray(at);
  if (data.byteLength !== needed) {
    throw invalid(`${descr} of shape [${shape.join(",")}] needs ${needed} bytes, got ${data.byteLength}`);
  }
  return { datatype, shape, data: descr.startsWith(">") ? swapped(data, ELEMENT_BYTES[datatype]) : data };
}

/** The header's length stands so that the data begins at a multiple of this. */
const ALIGNMENT = 64;

/**
 * A tensor as a .npy body of version 1.0: its header, then the data itself, which is not copied.
 *
 * @throws InferError unsupported for BYTES and BF16, which NumPy has no plain numbers for
 */
export function encodeNpy(tensor: NpyArray): readonly Uint8Array[] {
  const descr = Object.entries(DATATYPES).find(([, datatype]) => datatype === tensor.datatype)?.[0];
  if (descr === undefined) {
    throw new InferError("unsupported", `${tensor.datatype} has no .npy form; the Open Inference Protocol carries it`);
  }
  const endian = ELEMENT_BYTES[tensor.datatype] === 1 ? "|" : "<";
  const dims = tensor.shape.length === 1 ? `${tensor.shape[0]},` : tensor.shape.join(", ");
  const text = `{'descr': '${endian}${descr}', 'fortran_order': False, 'shape': (${dims}), }`;
  const length = Math.ceil((10 + text.length + 1) / ALIGNMENT) * ALIGNMENT - 10;
  const head = Buffer.alloc(10 + length, 0x20);
  head.write(MAGIC, 0, "latin1");
  head[6] = 1;
  head[7] = 0;
  head.writeUInt16LE(length, 8);
  head.write(text, 10, "latin1");
  head[9 + length] = 0x0a;
  return tensor.data.byteLength === 0 ? [head] : [head, tensor.data];
}

function readHeader(bytes: Uint8Array): { readonly header: string; readonly at: number } {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (text.toString("latin1", 0, 6) !== MAGIC) throw invalid("expected a .npy file, got something else");
  const version = bytes[6] ?? 0;
  if (version < 1 || version > 3) throw invalid(`expected .npy version 1, 2 or 3, got ${version}`);
  const start = version === 1 ? 10 : 12;
  const at = bytes.byteLength < start ? -1 : start + (version === 1 ? text.readUInt16LE(8) : text.readUInt32LE(8));
  if (at > MAX_HEADER_BYTES) throw invalid(`expected a .npy header of at most ${MAX_HEADER_BYTES} bytes, got ${at}`);
  if (at < 0 || bytes.byteLength < at) throw invalid("expected a .npy file, got one that ends in its header");
  return { header: text.toString(version === 3 ? "utf8" : "latin1", start, at), at };
}

function datatypeOf(descr: string): Datatype {
  const datatype = /^[<>|=]/.test(descr) ? DATATYPES[descr.slice(1)] : undefined;
  if (datatype !== undefined) return datatype;
  throw invalid(`expected an array of numbers or booleans, got dtype ${descr.slice(0, 40)} (text goes in as JSON)`);
}

function swapped(data: Uint8Array, width: number): Uint8Array {
  const copy = Buffer.from(data);
  if (width === 2) return copy.swap16();
  if (width === 4) return copy.swap32();
  return width === 8 ? copy.swap64() : copy;
}
