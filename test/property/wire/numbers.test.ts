// Numbers in JSON: what the scanner reads is bit for bit what JSON.parse reads, what the writer writes reads back the
// same.

import { describe, expect, test } from "vitest";
import type { Datatype } from "../../../core/tensor.ts";
import { decodeRequest, encodeResponse, JSON_FORM } from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS } from "../../../wire/oip-json.ts";
import { runNow } from "../../../wire/sliced.ts";
import { pick, seeded } from "./seeded.ts";

type Read = (texts: readonly string[], datatype: Datatype, sliceBytes?: number) => Uint8Array;

const read: Read = (texts, datatype, sliceBytes) => {
  const body = `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[${texts.length}],"data":[${texts.join(",")}]}]}`;
  const request = runNow(
    decodeRequest(Buffer.from(body), {
      limits: DEFAULT_WIRE_LIMITS,
      ...(sliceBytes === undefined ? {} : { sliceBytes }),
    }),
  );
  return request.inputs[0]!.data;
};

/** Fails on the first text whose bits are not those of JSON.parse, rounded to a float for FP32. */
function checkTexts(texts: readonly string[], datatype: "FP32" | "FP64", reader: Read = read): void {
  const got = reader(texts, datatype);
  const numbers = texts.map(Number);
  const wanted = new Uint8Array((datatype === "FP32" ? Float32Array.from(numbers) : Float64Array.from(numbers)).buffer);
  if (Buffer.compare(got, wanted) === 0) return;
  const width = datatype === "FP32" ? 4 : 8;
  for (let i = 0; i < texts.length; i++) {
    expect([texts[i], Buffer.from(got.subarray(i * width, (i + 1) * width)).toString("hex")]).toEqual([
      texts[i],
      Buffer.from(wanted.subarray(i * width, (i + 1) * width)).toString("hex"),
    ]);
  }
}

const bits = new DataView(new ArrayBuffer(8));
function doubleOf(high: number, low: number): number {
  bits.setUint32(0, high);
  bits.setUint32(4, low);
  return bits.getFloat64(0);
}
function floatOf(word: number): number {
  bits.setUint32(0, word);
  return bits.getFloat32(0);
}

/** Half of the whole multiple of 2^-1200 that a double is: its exact decimal text can be made from it. */
function exactText(twice: bigint): string {
  // twice / 2^1201, with 5^k instead of 1 / 2^k
  const sign = twice < 0n ? "-" : "";
  const digits = ((twice < 0n ? -twice : twice) * 5n ** 1201n).toString().padStart(1202, "0");
  const whole = digits.slice(0, -1201);
  const fraction = digits.slice(-1201).replace(/0+$/, "");
  return `${sign}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}

/** A double as a multiple of 2^-1200. */
function scaled(value: number): bigint {
  bits.setFloat64(0, value);
  const word = bits.getBigUint64(0);
  const exponent = (word >> 52n) & 0x7ffn;
  const fraction = word & 0xfffffffffffffn;
  const mantissa = exponent === 0n ? fraction : fraction | 0x10000000000000n;
  const shift = (exponent === 0n ? 1n : exponent) - 1075n + 1200n;
  return (value < 0 ? -1n : 1n) * (mantissa << shift);
}

function fitsFloat(text: string): boolean {
  return Number.isFinite(Math.fround(Number(text)));
}

const ways: readonly ((value: number) => string)[] = [
  String,
  (value) => value.toPrecision(17),
  (value) => value.toExponential(16),
  (value) => value.toExponential(8).toUpperCase(),
  (value) => value.toPrecision(9),
  (value) => value.toPrecision(19),
];

describe("the number scanner", () => {
  test("reads 100,000 random doubles in many notations as JSON.parse does", () => {
    const random = seeded(1);
    const texts: string[] = [];
    while (texts.length < 100_000) {
      const value = doubleOf(random(), random());
      if (Number.isFinite(value)) texts.push(pick(random, ways)(value));
    }
    checkTexts(texts, "FP64");
    checkTexts(texts.filter(fitsFloat), "FP32");
  });

  test("reads 100,000 doubles of everyday size as JSON.parse does", () => {
    const random = seeded(2);
    const texts = Array.from({ length: 100_000 }, () => {
      const value = (random() / 2 ** 32 - 0.5) * 10 ** ((random() % 24) - 12);
      return pick(random, ways)(random() % 2 === 0 ? value : Math.fround(value));
    });
    checkTexts(texts, "FP64");
    checkTexts(texts, "FP32");
  });

  test("reads 60,000 random digits with points and exponents as JSON.parse does", () => {
    const random = seeded(3);
    const digits = (count: number) => Array.from({ length: count }, () => random() % 10).join("");
    const texts = Array.from({ length: 60_000 }, () => {
      const whole =
        random() % 3 === 0 ? "0" : `${1 + (random() % 9)}${digits(random() % (random() % 20 === 0 ? 30 : 9))}`;
      const zeros = "0".repeat(random() % 4 === 0 ? random() % 40 : 0);
      const fraction = random() % 5 === 0 ? "" : `.${zeros}${digits(1 + (random() % 24))}`;
      const exponent =
        random() % 3 === 0 ? `${pick(random, ["e", "E"])}${pick(random, ["", "+", "-"])}${random() % 40}` : "";
      return `${random() % 2 === 0 ? "-" : ""}${whole}${fraction}${exponent}`;
    });
    checkTexts(texts, "FP64");
    checkTexts(texts.filter(fitsFloat), "FP32");
  });

  test("rounds the middle between two neighbours, and what lies a hair beside it, as JSON.parse does", () => {
    const random = seeded(4);
    const texts: string[] = [];
    for (let i = 0; i < 1500; i++) {
      const ofFloats = i % 2 === 0;
      const low = ofFloats ? floatOf(random() % 0x7f000000) : doubleOf(random() % 0x7fe00000, random());
      bits.setFloat64(0, low);
      const high = ofFloats ? nextFloat(low) : doubleOf(bits.getUint32(0), (bits.getUint32(4) | 1) >>> 0);
      const middle = exactText(scaled(low) + scaled(high));
      // the exact text of large and tiny ones is long; a digit more puts it a hair above
      texts.push(middle, middle.includes(".") ? `${middle}1` : `${middle}.0000001`, String(Number(middle)));
    }
    const short = texts.filter((text) => text.length < 4000);
    checkTexts(short, "FP64");
    checkTexts(short.filter(fitsFloat), "FP32");
  });

  test("reads the smallest and the greatest numbers, zeros with their signs, and long texts", () => {
    const texts = [
      ...[
        "5e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1e-400",
        "-1e-400",
        "2.2250738585072011e-308",
      ],
      ...["1.7976931348623157e308", "1.7976931348623158e+308", "0", "-0", "0.0", "-0.0", "0e0", "-0e-7", "0E+400"],
      ...["1e22", "1e23", "9007199254740993", "9007199254740993.0000000000000000000000001", "123456789012345678"],
      ...["3.4028234663852886e38", "3.4028235677973365e38", "1.401298464324817e-45", "7.006492321624085e-46"],
      ...["7.006492321624086e-46", "1.1754942807573643e-38", "0.1", "1.00000005960464477539", "1.000000059604644776"],
      `0.${"0".repeat(300)}1`,
      `${"9".repeat(300)}.5`,
      `0.${"3".repeat(3000)}`,
    ];
    checkTexts(texts, "FP64");
    checkTexts(texts.filter(fitsFloat), "FP32");
  });

  test("catches a reader that drops the sign of zero, or one that rounds to float too early", () => {
    const unsigned: Read = (texts, datatype) =>
      read(
        texts.map((text) => text.replace(/^-(?=0$)/, "")),
        datatype,
      );
    expect(() => checkTexts(["1", "-0"], "FP64", unsigned)).toThrow();
    const early: Read = (texts, datatype) =>
      read(
        texts.map((text) => String(Math.fround(Number(text)))),
        datatype,
      );
    expect(() => checkTexts(["0.5", "0.1"], "FP64", early)).toThrow();
    expect(() => checkTexts(["0.5", "0.1"], "FP64")).not.toThrow();
  });

  test("reads the same numbers whatever the slices and the white space", () => {
    const random = seeded(5);
    const texts = Array.from({ length: 2000 }, () => {
      const text = pick(random, ways)((random() / 2 ** 32 - 0.5) * 100);
      return `${pick(random, ["", " ", "\n  "])}${text}${pick(random, ["", "", "\t "])}`;
    });
    for (const datatype of ["FP32", "FP64"] as const) {
      const whole = read(texts, datatype);
      for (const sliceBytes of [1, 7, 64, 1000])
        expect(Buffer.compare(read(texts, datatype, sliceBytes), whole)).toBe(0);
    }
  });

  test("reads 64-bit integers exactly, at the edges and at random", () => {
    const random = seeded(6);
    const edges = [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 53n + 1n, 10n ** 15n, 10n ** 16n, 2n ** 63n - 1n];
    const wide = () => (BigInt(random()) << 32n) | BigInt(random());
    const some = () => wide() >> BigInt(random() % 64);
    const unsigned = [...edges, 2n ** 64n - 1n, 2n ** 63n, 10n ** 19n, ...Array.from({ length: 20_000 }, some)];
    expect(Buffer.from(read(unsigned.map(String), "UINT64"))).toEqual(
      Buffer.from(BigUint64Array.from(unsigned).buffer),
    );
    const signed = unsigned
      .map((value) => BigInt.asIntN(64, value))
      .concat(
        edges.map((value) => -value),
        -(2n ** 63n),
      );
    expect(Buffer.from(read(signed.map(String), "INT64"))).toEqual(Buffer.from(BigInt64Array.from(signed).buffer));
  });
});

function nextFloat(value: number): number {
  bits.setFloat32(0, value);
  bits.setUint32(0, bits.getUint32(0) + 1);
  return bits.getFloat32(0);
}

describe("the number writer", () => {
  const write = (datatype: Datatype, data: Uint8Array, count: number): string => {
    const outputs = [{ name: "y", datatype, shape: [count], data }];
    const response = { kind: "whole" as const, model: { name: "m", version: "1" }, outputs, parameters: new Map() };
    const { parts } = runNow(encodeResponse(response, { form: JSON_FORM }));
    const text = Buffer.concat(parts).toString();
    return text.slice(text.indexOf('"data":[') + 8, text.lastIndexOf("]}]}"));
  };

  test("writes 200,000 random floats so that they read back to the same bits", () => {
    const random = seeded(7);
    const words = Uint32Array.from({ length: 200_000 }, random);
    const everyday = Float32Array.from(
      { length: 50_000 },
      () => (random() / 2 ** 32 - 0.5) * 10 ** ((random() % 12) - 6),
    );
    words.set(new Uint32Array(everyday.buffer), 0);
    const floats = new Float32Array(words.buffer);
    const texts = write("FP32", new Uint8Array(words.buffer), floats.length).split(",");
    expect(texts.length).toBe(floats.length);
    const back = Float32Array.from(texts, Number);
    for (let i = 0; i < floats.length; i++)
      if (!Object.is(back[i], floats[i])) expect([i, texts[i]]).toEqual([i, floats[i]]);
    expect(texts.slice(0, 50_000).every((text) => text.replace(/[-.]/g, "").replace(/^0+|e.*$/g, "").length <= 9)).toBe(
      true,
    );
  });

  test("writes 50,000 random doubles and integers so that they read back to the same bits", () => {
    const random = seeded(8);
    const words = Uint32Array.from({ length: 100_000 }, random);
    const data = new Uint8Array(words.buffer);
    const doubles = new Float64Array(words.buffer);
    const texts = write("FP64", data, doubles.length).split(",");
    expect(texts.every((text, i) => Object.is(Number(text), doubles[i]))).toBe(true);
    expect(write("INT64", data, 50_000)).toBe(new BigInt64Array(words.buffer).join(","));
    expect(write("UINT64", data, 50_000)).toBe(new BigUint64Array(words.buffer).join(","));
    expect(write("INT32", data, 100_000)).toBe(new Int32Array(words.buffer).join(","));
    expect(write("UINT32", data, 100_000)).toBe(words.join(","));
    expect(write("INT16", data, 200_000)).toBe(new Int16Array(words.buffer).join(","));
    expect(write("UINT16", data, 200_000)).toBe(new Uint16Array(words.buffer).join(","));
    expect(write("INT8", data, 400_000)).toBe(new Int8Array(words.buffer).join(","));
    expect(write("UINT8", data, 400_000)).toBe(data.join(","));
  });

  test("writes 64-bit integers of every size exactly", () => {
    const random = seeded(9);
    const values = Array.from({ length: 20_000 }, () => {
      const wide = (BigInt(random()) << 32n) | BigInt(random());
      return wide >> BigInt(random() % 64);
    });
    const edges = [0n, 10n ** 9n, 10n ** 18n, 10n ** 19n, 2n ** 53n, 2n ** 64n - 1n, 2n ** 63n, 999999999999999999n];
    const unsigned = BigUint64Array.from([...values, ...edges]);
    const data = new Uint8Array(unsigned.buffer);
    expect(write("UINT64", data, unsigned.length)).toBe(unsigned.join(","));
    expect(write("INT64", data, unsigned.length)).toBe(new BigInt64Array(unsigned.buffer).join(","));
  });

  test("keeps the sign of zero and writes the tokens that JSON has no number for", () => {
    const floats = Float32Array.of(-0, 0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.1, 1e-7);
    expect(write("FP32", new Uint8Array(floats.buffer), 7)).toBe("-0.0,0,NaN,Infinity,-Infinity,0.1,0.0000001");
    const doubles = Float64Array.of(-0, 3, 1e21, 0.1, Number.NEGATIVE_INFINITY);
    expect(write("FP64", new Uint8Array(doubles.buffer), 5)).toBe("-0.0,3,1e+21,0.1,-Infinity");
  });
});
