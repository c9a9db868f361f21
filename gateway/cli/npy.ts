// Reads a NumPy .npy file into a tensor. Source: NumPy, "NEP 1: a simple file format", versions 1.0 to 3.0.

import { type Datatype, ELEMENT_BYTES, elementCount, type Tensor } from "../../core/tensor.ts";
import { CliError } from "./io.ts";

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

/**
 * The array as a tensor without a name.
 *
 * @param file the file's name, for messages
 * @throws CliError for anything but a whole array of plain numbers in C order
 */
export function readNpy(bytes: Uint8Array, file: string): Omit<Tensor, "name"> {
  const { header, at } = readHeader(bytes, file);
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const dims = /'shape':\s*\(([\d\s,]*)\)/.exec(header)?.[1];
  if (descr === undefined) throw new CliError(`${file}: expected an array of plain numbers, got a structured one`);
  if (order === undefined || dims === undefined)
    throw new CliError(`${file}: expected a .npy header, got ${header.trim()}`);
  if (order === "True") {
    throw new CliError(`${file}: expected an array in C order (numpy.ascontiguousarray), got one in Fortran order`);
  }
  const datatype = datatypeOf(descr, file);
  const shape = dims.split(",").flatMap((size) => (size.trim() === "" ? [] : [Number(size)]));
  const needed = elementCount(shape) * ELEMENT_BYTES[datatype];
  const data = bytes.subarray(at);
  if (data.byteLength !== needed) {
    throw new CliError(`${file}: ${descr} of shape [${shape.join(",")}] needs ${needed} bytes, got ${data.byteLength}`);
  }
  return { datatype, shape, data: descr.startsWith(">") ? swapped(data, ELEMENT_BYTES[datatype]) : data };
}

function readHeader(bytes: Uint8Array, file: string): { readonly header: string; readonly at: number } {
  const cut = () => new CliError(`${file}: expected a .npy file, got one that ends in its header`);
  if (Buffer.from(bytes.subarray(0, 6)).toString("latin1") !== MAGIC) {
    throw new CliError(`${file}: expected a .npy file, got something else`);
  }
  const version = bytes[6] ?? 0;
  if (version < 1 || version > 3) throw new CliError(`${file}: expected .npy version 1, 2 or 3, got ${version}`);
  const start = version === 1 ? 10 : 12;
  if (bytes.byteLength < start) throw cut();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = start + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (bytes.byteLength < at) throw cut();
  return { header: Buffer.from(bytes.subarray(start, at)).toString("latin1"), at };
}

function datatypeOf(descr: string, file: string): Datatype {
  const datatype = /^[<>|=]/.test(descr) ? DATATYPES[descr.slice(1)] : undefined;
  if (datatype !== undefined) return datatype;
  throw new CliError(`${file}: expected an array of numbers or booleans, got dtype ${descr} (text goes in as JSON)`);
}

function swapped(data: Uint8Array, width: number): Uint8Array {
  const copy = Buffer.from(data);
  if (width === 2) return copy.swap16();
  if (width === 4) return copy.swap32();
  return width === 8 ? copy.swap64() : copy;
}
