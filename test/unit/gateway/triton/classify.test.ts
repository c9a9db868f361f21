// Triton's classification: which values are the largest, and how they are written.

import { describe, expect, test } from "vitest";
import { bytesElements, type Datatype, joinBytesElements } from "../../../../core/tensor.ts";
import { classesOf, classify, classifyAll } from "../../../../gateway/protocols/triton/classify.ts";
import { runNow } from "../../../../wire/sliced.ts";
import { seededRandom } from "../../../support/fake-env.ts";

function output(datatype: Datatype, shape: readonly number[], data: ArrayBufferView) {
  return { name: "y", datatype, shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

function classes(
  of: ReturnType<typeof output>,
  how: { classes: number; hasRows?: boolean; labels?: readonly string[] },
) {
  const { shape, datatype, data } = runNow(classify(of, { hasRows: false, labels: undefined, ...how }));
  expect(datatype).toBe("BYTES");
  return { shape, texts: [...bytesElements(data)].map((each) => Buffer.from(each).toString()) };
}

describe("classification", () => {
  test("writes value, place and label as Triton does, the largest first", () => {
    const scores = output("FP32", [4], new Float32Array([0.1, 3.3, -2, 3.3]));
    expect(classes(scores, { classes: 3, labels: ["a", "b"] })).toEqual({
      shape: [3],
      texts: ["3.300000:1:b", "3.300000:3", "0.100000:0:a"],
    });
  });

  test("takes each row for itself where the model has rows", () => {
    const scores = output(
      "INT64",
      [2, 3],
      new BigInt64Array([1n, 9007199254740993n, 9007199254740992n, -5n, -7n, -6n]),
    );
    expect(classes(scores, { classes: 2, hasRows: true })).toEqual({
      shape: [2, 2],
      texts: ["9007199254740993:1", "9007199254740992:2", "-5:0", "-6:2"],
    });
  });

  test("has no more classes than there are values, and none for no rows", () => {
    expect(classes(output("UINT8", [2], new Uint8Array([1, 2])), { classes: 9 }).shape).toEqual([2]);
    expect(classes(output("FP32", [0, 3], new Float32Array(0)), { classes: 2, hasRows: true }).texts).toEqual([]);
  });

  test("puts what is no number last", () => {
    const scores = output("FP64", [3], new Float64Array([Number.NaN, Number.NEGATIVE_INFINITY, 1e22]));
    expect(classes(scores, { classes: 3 }).texts).toEqual(["10000000000000000000000.000000:2", "nan:0", "-inf:1"]);
  });

  test("finds the same as sorting, for 200 random outputs with many equal values", () => {
    const random = seededRandom(11);
    for (let trial = 0; trial < 200; trial++) {
      const values = Int32Array.from({ length: 1 + Math.floor(random() * 60) }, () => Math.floor(random() * 12) - 6);
      const wanted = 1 + Math.floor(random() * 70);
      const sorted = [...values]
        .map((value, place) => ({ value, place }))
        .sort((a, b) => b.value - a.value || a.place - b.place);
      const expected = sorted.slice(0, wanted).map(({ value, place }) => `${value}:${place}`);
      expect(classes(output("INT32", [values.length], values), { classes: wanted }).texts).toEqual(expected);
    }
  });

  test("stops now and then over many values", () => {
    const work = classify(output("FP32", [100_000], new Float32Array(100_000)), {
      classes: 1,
      hasRows: false,
      labels: undefined,
    });
    let stops = 0;
    while (!work.next().done) stops += 1;
    expect(stops).toBe(5);
  });

  test("refuses over a million values and values without an order", () => {
    const many = output("UINT8", [1_000_001], new Uint8Array(1_000_001));
    expect(() => classes(many, { classes: 1 })).toThrow("at most 1000000 values");
    expect(() => classes(output("FP16", [1], new Uint16Array(1)), { classes: 1 })).toThrow("FP16 cannot be classified");
  });
});

describe("what a request asks for", () => {
  const model = {
    name: "m",
    version: "1",
    versions: ["1"],
    platform: "",
    stateful: false,
    inputs: [],
    outputs: [
      { name: "y", datatype: "FP32", shape: [2], labels: ["no", "yes"] },
      { name: "t", datatype: "BYTES", shape: [1] },
    ],
  } as const;
  const ask = (name: string, count: unknown) =>
    classesOf([{ name, parameters: new Map([["classification", count as bigint]]) }], async () => model);

  test("is nothing for outputs that do not say it, and nobody is asked for the signature", async () => {
    const asked = () => Promise.reject(new Error("asked"));
    expect(await classesOf([{ name: "y", parameters: new Map() }], asked)).toBeUndefined();
    expect(await classesOf(undefined, asked)).toBeUndefined();
  });

  test("is refused for a count that is none and for texts", async () => {
    await expect(ask("y", 0n)).rejects.toThrow("at least 1");
    await expect(ask("y", "3")).rejects.toThrow("at least 1");
    await expect(ask("t", 1n)).rejects.toThrow("unsupported type 'BYTES'");
  });

  test("leaves what a server has classified already, and other outputs, as they are", async () => {
    const wanted = await ask("y", 1n);
    if (wanted === undefined) throw new Error("expected classes");
    const done = {
      name: "y",
      datatype: "BYTES",
      shape: [1],
      data: joinBytesElements([Buffer.from("2.000000:1")]),
    } as const;
    const other = output("INT32", [1], new Int32Array([5]));
    const named = { ...other, name: "z" };
    expect(runNow(classifyAll([done, named], wanted))).toEqual([done, named]);
    const [mine] = runNow(classifyAll([output("FP32", [2], new Float32Array([1, 2]))], wanted));
    expect([...bytesElements(mine?.data ?? new Uint8Array(0))].map(String).length).toBe(1);
    expect(
      Buffer.from(mine?.data ?? [])
        .subarray(4)
        .toString(),
    ).toBe("2.000000:1:yes");
  });
});
