import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readNpy } from "../../../../gateway/cli/npy.ts";

/** A .npy file of version 1.0, its header padded as NumPy pads it. */
function npy(descr: string, shape: string, data: Uint8Array, order = "False"): Uint8Array {
  const dict = `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;
  const header = `${dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11)}\n`;
  const head = Buffer.alloc(10);
  head.write("\u0093NUMPY", "latin1");
  head.set([1, 0], 6);
  head.writeUInt16LE(header.length, 8);
  return Buffer.concat([head, Buffer.from(header, "latin1"), data]);
}

describe("a .npy file", () => {
  it.each([
    ["|b1", "BOOL", 1],
    ["|u1", "UINT8", 1],
    ["<u2", "UINT16", 2],
    ["<u4", "UINT32", 4],
    ["<u8", "UINT64", 8],
    ["|i1", "INT8", 1],
    ["<i2", "INT16", 2],
    ["<i4", "INT32", 4],
    ["<i8", "INT64", 8],
    ["<f2", "FP16", 2],
    ["<f4", "FP32", 4],
    ["<f8", "FP64", 8],
  ])("of %s is a tensor of %s, its bytes as they are", (descr, datatype, width) => {
    const data = Uint8Array.from({ length: 6 * width }, (_, i) => i + 1);
    const tensor = readNpy(npy(`'${descr}'`, "(2, 3)", data), "x.npy");
    expect([tensor.datatype, tensor.shape, [...tensor.data]]).toEqual([datatype, [2, 3], [...data]]);
  });

  it.each([
    [">u2", [2, 1, 4, 3]],
    [">f4", [4, 3, 2, 1]],
    [">i8", [8, 7, 6, 5, 4, 3, 2, 1]],
  ])("in big-endian order (%s) is turned round", (descr, expected) => {
    const data = Uint8Array.from({ length: expected.length }, (_, i) => i + 1);
    const count = expected.length / Number(descr.at(-1));
    expect([...readNpy(npy(`'${descr}'`, `(${count},)`, data), "x.npy").data]).toEqual(expected);
  });

  it("may be a scalar, or empty", () => {
    expect(readNpy(npy("'<f4'", "()", new Uint8Array(4)), "x").shape).toEqual([]);
    expect(readNpy(npy("'<f4'", "(0, 3)", new Uint8Array(0)), "x").shape).toEqual([0, 3]);
  });

  it("that NumPy wrote is read", () => {
    const file = new URL("../../../../models/digits/samples/seven.npy", import.meta.url);
    const json = JSON.parse(readFileSync(new URL("seven.json", file), "utf8"));
    const { datatype, shape, data } = readNpy(readFileSync(file), "seven.npy");
    const values = new Float32Array(Uint8Array.from(data).buffer);
    expect([datatype, shape, [...values]]).toEqual(["FP32", [1, 1, 8, 8], json.inputs[0].data]);
  });

  const good = npy("'<f4'", "(2,)", new Uint8Array(8));
  it.each([
    [Buffer.from("hello world"), "x.npy: expected a .npy file, got something else"],
    [good.subarray(0, 40), "x.npy: expected a .npy file, got one that ends in its header"],
    [good.subarray(0, -1), "x.npy: <f4 of shape [2] needs 8 bytes, got 7"],
    [Buffer.concat([good, good]), `x.npy: <f4 of shape [2] needs 8 bytes, got ${8 + good.length}`],
    [
      npy("'<f4'", "(2,)", new Uint8Array(8), "True"),
      "x.npy: expected an array in C order (numpy.ascontiguousarray), got one in Fortran order",
    ],
    [
      npy("'|O'", "(2,)", new Uint8Array(8)),
      "x.npy: expected an array of numbers or booleans, got dtype |O (text goes in as JSON)",
    ],
    [
      npy("'<U3'", "(2,)", new Uint8Array(24)),
      "x.npy: expected an array of numbers or booleans, got dtype <U3 (text goes in as JSON)",
    ],
    [
      npy("'<c8'", "(1,)", new Uint8Array(8)),
      "x.npy: expected an array of numbers or booleans, got dtype <c8 (text goes in as JSON)",
    ],
    [
      npy("[('a', '<f4')]", "(2,)", new Uint8Array(8)),
      "x.npy: expected an array of plain numbers, got a structured one",
    ],
  ])("that is something else is refused: %#", (bytes, message) => {
    expect(() => readNpy(bytes, "x.npy")).toThrow(message);
  });
});
