// NumPy's arrays as a client of the matrix writes and reads them.

import type { WireReply } from "../../core/protocol.ts";
import { DATATYPES, type Datatype } from "../../core/tensor.ts";
import { type Read, wholeBody } from "./matrix-client.ts";
import type { Value } from "./matrix-values.ts";

/** NumPy's words, little-endian. Source: numpy.lib.format. */
const NPY: Partial<Record<Datatype, string>> = {
  ...{ BOOL: "|b1", UINT8: "|u1", UINT16: "<u2", UINT32: "<u4", UINT64: "<u8", INT8: "|i1", INT16: "<i2" },
  ...{ INT32: "<i4", INT64: "<i8", FP16: "<f2", FP32: "<f4", FP64: "<f8" },
};

/** Says that the body is an array, and that the answer is to be one. */
export const NPY_HEADERS = { "content-type": "application/x-npy", accept: "application/x-npy" };

/** An array of format 1.0; objects where NumPy has no word. */
export function npy({ datatype, shape, data }: Value): Uint8Array {
  const sizes = shape.length === 1 ? `${shape},` : shape.join(", ");
  const text = `{'descr': '${NPY[datatype] ?? "|O"}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const length = Uint8Array.of(padded.length & 0xff, padded.length >> 8);
  return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00", "latin1"), length, Buffer.from(padded), data]);
}

/** Reads one. */
export function readNpy(reply: WireReply): Read {
  const body = wholeBody(reply);
  const start = 10 + body.readUInt16LE(8);
  const said = body.toString("latin1", 10, start);
  const descr = /'descr': '([^']+)'/.exec(said)?.[1];
  const shape = /'shape': \(([^)]*)\)/.exec(said)?.[1] ?? "";
  const datatype = DATATYPES.find((one) => NPY[one] === descr)!;
  return {
    datatype,
    shape: shape.split(",").flatMap((size) => (size.trim() === "" ? [] : Number(size))),
    data: body.subarray(start),
  };
}
