import { describe, expect, it } from "vitest";
import { DATATYPES, ELEMENT_BYTES } from "../../../core/tensor.ts";
import { decodeNpy, encodeNpy } from "../../../wire/npy.ts";

/** `numpy.save(buffer, numpy.arange(3, dtype="<f4").reshape(1, 3))` of NumPy 2.4, as hex. */
const SAVED =
  "934e554d5059010076007b276465736372273a20273c6634272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028312c2033292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a000000000000803f00000040";

describe("a .npy body", () => {
  it("is written byte for byte as NumPy writes it", () => {
    const data = new Uint8Array(Float32Array.of(0, 1, 2).buffer);
    expect(Buffer.concat(encodeNpy({ datatype: "FP32", shape: [1, 3], data })).toString("hex")).toBe(SAVED);
  });

  it.each(DATATYPES.filter((datatype) => datatype !== "BYTES" && datatype !== "BF16"))(
    "carries %s there and back, its data a view",
    (datatype) => {
      for (const shape of [[], [0], [3], [2, 3], [1, 2, 3, 4, 5, 6, 7]]) {
        const count = shape.reduce((a, b) => a * b, 1);
        const data = Uint8Array.from({ length: count * ELEMENT_BYTES[datatype] }, (_, i) => i & 1);
        const body = Buffer.concat(encodeNpy({ datatype, shape, data }));
        const read = decodeNpy(body);
        expect([read.datatype, read.shape, [...read.data]]).toEqual([datatype, shape, [...data]]);
        expect(read.data.buffer).toBe(body.buffer);
        expect((body.byteLength - data.byteLength) % 64).toBe(0);
      }
    },
  );

  it.each(["BYTES", "BF16"] as const)("has no form for %s", (datatype) => {
    expect(() => encodeNpy({ datatype, shape: [1], data: new Uint8Array(8) })).toThrow(`${datatype} has no .npy form`);
  });

  it("of versions 2 and 3 is read as well", () => {
    const saved = Buffer.from(SAVED, "hex");
    for (const version of [2, 3]) {
      const head = Buffer.from(saved.subarray(0, 12));
      head[6] = version;
      head.writeUInt32LE(118, 8);
      const body = Buffer.concat([head, saved.subarray(10)]);
      expect(decodeNpy(body)).toMatchObject({ datatype: "FP32", shape: [1, 3] });
    }
  });

  it("that is cut at any byte is refused", () => {
    const saved = Buffer.from(SAVED, "hex");
    for (let to = 0; to < saved.byteLength; to++)
      expect(() => decodeNpy(saved.subarray(0, to))).toThrow(/expected|needs/);
  });

  it("whose header says that it is endless is refused before it is looked at", () => {
    const head = Buffer.from(SAVED, "hex");
    head[6] = 2;
    head.writeUInt32LE(0xffffffff, 8);
    expect(() => decodeNpy(head)).toThrow("expected a .npy header of at most 65536 bytes, got 4294967307");
  });
});
