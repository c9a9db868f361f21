import { describe, expect, it } from "vitest";
import { type Datatype, joinBytesElements, type Tensor } from "../../../../core/tensor.ts";
import { openQuantiles } from "../../../../policies/quantiles.ts";
import { compareOutputs, type Difference } from "../../../../policies/shadow/compare.ts";
import { compareWord } from "../../../../policies/shadow/compare-words.ts";
import { numbersOf } from "../../../../policies/shadow/numbers.ts";
import { openWorst } from "../../../../policies/shadow/worst.ts";
import { seededRandom } from "../../../support/fake-env.ts";
import { requestFor } from "../../../support/scripted.ts";

function fp32(values: readonly number[], shape: readonly number[] = [values.length], name = "y"): Tensor {
  return { name, datatype: "FP32", shape, data: new Uint8Array(new Float32Array(values).buffer) };
}

function texts(...words: readonly string[]): Tensor {
  const data = joinBytesElements(words.map((word) => new TextEncoder().encode(word)));
  return { name: "y", datatype: "BYTES", shape: [words.length], data };
}

function compare(a: readonly Tensor[], b: readonly Tensor[], words: unknown = {}): readonly Difference[] {
  const work = compareOutputs(a, b, compareWord.parse(words));
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

function one(a: Tensor, b: Tensor, words: unknown = {}): Difference {
  return compare([a], [b], words)[0] as Difference;
}

describe("a comparison of two answers", () => {
  it.each([
    ["equal numbers", [1, 2], [1, 2], {}, true, 0],
    ["numbers within the tolerance", [100, 2], [100.05, 2], {}, true, 0.05],
    ["numbers beyond it", [100, 2], [100, 2.5], {}, false, 0.5],
    ["numbers within a wider one", [100, 2], [100, 2.5], { atol: 1 }, true, 0.5],
    ["two NaN", [Number.NaN], [Number.NaN], {}, true, 0],
    [
      "two NaN where they are different",
      [Number.NaN],
      [Number.NaN],
      { nan: "different" },
      false,
      Number.POSITIVE_INFINITY,
    ],
    ["a NaN and a number", [Number.NaN], [1], { atol: 1e9 }, false, Number.POSITIVE_INFINITY],
    ["equal infinities", [Number.POSITIVE_INFINITY], [Number.POSITIVE_INFINITY], {}, true, 0],
    ["an infinity and a number", [Number.POSITIVE_INFINITY], [1], {}, false, Number.POSITIVE_INFINITY],
    [
      "opposite infinities",
      [Number.POSITIVE_INFINITY],
      [Number.NEGATIVE_INFINITY],
      {},
      false,
      Number.POSITIVE_INFINITY,
    ],
    ["no numbers at all", [], [], {}, true, 0],
    ["numbers that must be exact", [1], [1.0000001], { exact: true }, false, 1],
  ] as const)("of %s", (_, a, b, words, same, difference) => {
    const found = one(fp32(a), fp32(b), words);
    expect(found.same).toBe(same);
    expect(found.difference).toBeCloseTo(difference, 5);
  });

  it("names the element that is furthest off, and how many are beyond", () => {
    expect(one(fp32([1, 5, 9]), fp32([2, 9, 9])).why).toBe("element 1 is 5 against 9, 2 of 3 beyond");
  });

  it("by argmax looks at each row", () => {
    const a = fp32([0.1, 0.9, 0.8, 0.2], [2, 2]);
    expect(one(a, fp32([0.4, 0.6, 0.7, 0.3], [2, 2]), { argmax: true })).toMatchObject({ same: true, difference: 0 });
    const other = fp32([0.4, 0.6, 0.3, 0.7], [2, 2]);
    expect(one(a, other, { argmax: true })).toMatchObject({
      same: false,
      difference: 0.5,
      why: "row 1 has 0 against 1",
    });
    expect(one(a, other, { argmax: true, agree: "50%" }).same).toBe(true);
  });

  it("by topK looks at which are the largest, not at their order", () => {
    const a = fp32([1, 9, 8, 0], [1, 4]);
    expect(one(a, fp32([1, 8, 9, 0], [1, 4]), { topK: 2 })).toMatchObject({ same: true, difference: 0 });
    expect(one(a, fp32([9, 8, 1, 0], [1, 4]), { topK: 2 })).toMatchObject({ same: false, difference: 0.5 });
    expect(one(a, fp32([0, 0, 0, 0], [1, 4]), { topK: 9 }).same).toBe(true);
  });

  it("by cosine looks at the direction", () => {
    expect(one(fp32([1, 2]), fp32([10, 20]), { cosine: 0.999 })).toMatchObject({ same: true });
    expect(one(fp32([1, 0]), fp32([0, 1]), { cosine: 0.999 })).toMatchObject({ same: false, difference: 1 });
    expect(one(fp32([0, 0]), fp32([0, 0]), { cosine: 1 }).same).toBe(true);
    expect(one(fp32([0, 0]), fp32([1, 0]), { cosine: 0 }).same).toBe(false);
  });

  it("of texts is exact, whatever the rule", () => {
    expect(one(texts("a", "b"), texts("a", "b")).same).toBe(true);
    expect(one(texts("a", "b"), texts("ab", ""))).toMatchObject({ same: false, difference: 1 });
  });

  it("finds other shapes, datatypes and outputs that one of them has not", () => {
    expect(one(fp32([1, 2]), fp32([1, 2], [2, 1])).why).toBe("FP32 [2] against FP32 [2,1]");
    expect(one(fp32([1]), { ...fp32([1]), datatype: "INT32" }).same).toBe(false);
    const found = compare([fp32([1], [1], "a"), fp32([1], [1], "b")], [fp32([1], [1], "b"), fp32([1], [1], "c")]);
    expect(found.map(({ output, why }) => `${output}: ${why}`)).toEqual([
      "a: only the answer has it",
      "b: equal",
      "c: only the shadow has it",
    ]);
  });

  it("takes a rule for each output", () => {
    const words = { exact: true, outputs: { a: { atol: 1 } } };
    const found = compare(
      [fp32([1], [1], "a"), fp32([1], [1], "b")],
      [fp32([2], [1], "a"), fp32([2], [1], "b")],
      words,
    );
    expect(found.map(({ same }) => same)).toEqual([true, false]);
  });

  it("of large answers pauses on its way", () => {
    const large = fp32(Array.from({ length: 400_000 }, (_, i) => i));
    for (const words of [{}, { cosine: 1 }, { argmax: true }, { topK: 3 }]) {
      const work = compareOutputs([large], [large], compareWord.parse(words));
      let pauses = 0;
      while (work.next().done !== true) pauses += 1;
      expect(pauses).toBeGreaterThanOrEqual(7);
    }
  });
});

describe("the numbers of a tensor", () => {
  const write = (datatype: Datatype, bytes: readonly number[]): Tensor => {
    // one byte off, so that no typed array could lie over it
    const data = new Uint8Array([0, ...bytes]).subarray(1);
    return { name: "x", datatype, shape: [1], data };
  };

  it.each<[Datatype, readonly number[], number]>([
    ["BOOL", [1], 1],
    ["INT8", [0x80], -128],
    ["UINT16", [0xff, 0xff], 65_535],
    ["INT32", [0xfe, 0xff, 0xff, 0xff], -2],
    ["INT64", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], -1],
    ["UINT64", [0, 0, 0, 0, 1, 0, 0, 0], 2 ** 32],
    ["FP16", [0x00, 0x3c], 1],
    ["BF16", [0xc0, 0x3f], 1.5],
    ["BF16", [0x80, 0xff], Number.NEGATIVE_INFINITY],
    ["BF16", [0xc0, 0x7f], Number.NaN],
    ["BF16", [0x01, 0x00], 2 ** -133],
    ["FP32", [0, 0, 0x80, 0xbf], -1],
    ["FP64", [0, 0, 0, 0, 0, 0, 0xf0, 0x3f], 1],
  ])("%s %j is %d, at any alignment", (datatype, bytes, value) => {
    expect(numbersOf(write(datatype, bytes))?.at(0)).toBe(value);
  });
});

describe("the quantiles of differences", () => {
  it("are within one hundredth of the true ones, zeros and infinities included", () => {
    const random = seededRandom(5);
    const values = Array.from({ length: 20_000 }, (_, i) => (i % 10 === 0 ? 0 : Math.exp(20 * random() - 10)));
    const sketch = openQuantiles();
    for (const value of values) sketch.add(value);
    values.sort((a, b) => a - b);
    for (const q of [0.05, 0.5, 0.9, 0.99]) {
      const exact = values[Math.floor(q * (values.length - 1))] as number;
      expect(Math.abs(sketch.quantile(q) - exact)).toBeLessThanOrEqual(0.021 * exact);
    }
    for (let i = 0; i < 20_000; i += 1) sketch.add(Number.POSITIVE_INFINITY);
    expect(sketch.quantile(0.6)).toBe(Number.POSITIVE_INFINITY);
    expect(sketch.quantile(0.4)).toBeLessThan(Number.POSITIVE_INFINITY);
    expect({ count: sketch.count, infinite: sketch.infinite }).toEqual({ count: 40_000, infinite: 20_000 });
  });
});

describe("the worst cases", () => {
  const worst = (difference: number): Difference => ({ output: "y", difference, same: false, why: "" });
  const about = { id: "r", at: 0, version: "1", shadowVersion: "2" };

  it("are the worst, the worst first, however they come", () => {
    const kept = openWorst({ cases: 3, maxBytes: 1_000 });
    for (const difference of [5, 1, 9, 3, 9, 7]) kept.offer({ ...about, worst: worst(difference) }, requestFor("m"));
    expect(kept.list().map((one) => one.worst.difference)).toEqual([9, 9, 7]);
  });

  it("keep copies of their inputs, within the bytes that they may have together", () => {
    const kept = openWorst({ cases: 3, maxBytes: 10 });
    const body = new Float32Array([1, 2, 3, 4]);
    const input = { ...fp32([0]), data: new Uint8Array(body.buffer, 4, 4) };
    for (const difference of [1, 2, 3]) {
      kept.offer({ ...about, worst: worst(difference) }, requestFor("m", { inputs: [input] }));
    }
    body[1] = 99;
    const held = kept.list().map(({ inputs }) => inputs?.[0]?.data);
    expect(held.filter((data) => data !== undefined).length).toBe(2);
    for (const data of held) {
      if (data === undefined) continue;
      expect(data.buffer.byteLength).toBe(4);
      expect(new Float32Array(data.buffer)[0]).toBe(2);
    }
  });
});
