import { describe, expect, it } from "vitest";
import { BUCKETS } from "../../../policies/route/bucket.ts";
import { rangesOf } from "../../../policies/route/lanes.ts";
import { seededRandom } from "../../support/fake-env.ts";

/** The variant of every bucket. */
function assigned(wanted: readonly number[]): Int8Array {
  const variants = new Int8Array(BUCKETS).fill(99);
  for (const { from, to, variant } of rangesOf(wanted)) variants.fill(variant, from, to);
  return variants;
}

/** Sizes of variants that leave the control something, from fair to lopsided. */
function randomSizes(random: () => number, count: number, most: number): readonly number[] {
  return Array.from({ length: count }, () => Math.floor((random() * most) / count));
}

describe("the buckets of variants", () => {
  it("cover every bucket once and give each variant exactly its share, for up to 7 variants", () => {
    const random = seededRandom(3);
    for (let run = 0; run < 300; run += 1) {
      const first = Math.floor(random() * BUCKETS);
      const rest = randomSizes(random, Math.floor(random() * 7), BUCKETS - first);
      const wanted = [first, ...rest];
      const variants = assigned(wanted);
      for (const [i, size] of wanted.entries()) expect(variants.filter((one) => one === i).length).toBe(size);
      expect(variants.filter((one) => one === -1).length).toBe(BUCKETS - wanted.reduce((sum, size) => sum + size, 0));
      const ranges = rangesOf(wanted);
      expect(ranges.map(({ from }) => from)).toEqual([0, ...ranges.slice(0, -1).map(({ to }) => to)]);
    }
  });

  it.each([1, 2])("grow into the control alone, whatever the sizes, with %i variants beside it", (count) => {
    expect(movedBetweenVariants(count, BUCKETS)).toBe(0);
  });

  it.each([3, 4, 5, 6])(
    "grow into the control alone while they keep to their lanes, with %i variants beside it",
    (count) => {
      expect(movedBetweenVariants(count, BUCKETS)).toBe(0);
    },
  );

  it("would be seen to take from each other were they laid end to end", () => {
    const endToEnd = (wanted: readonly number[]) => {
      const variants = new Int8Array(BUCKETS).fill(-1);
      let at = 0;
      for (const [i, size] of wanted.entries()) {
        variants.fill(i, at, at + size);
        at += size;
      }
      return variants;
    };
    expect(movedBetweenVariants(2, BUCKETS, endToEnd)).toBeGreaterThan(0);
  });
});

/** Buckets that went from one variant to another, or from a growing variant away, while one of them grew. */
function movedBetweenVariants(count: number, most: number, assign = assigned): number {
  const random = seededRandom(count);
  let moved = 0;
  for (let run = 0; run < 100; run += 1) {
    const before = randomSizes(random, count, most);
    const grown = Math.floor(random() * count);
    const room = Math.floor(most / count) - (before[grown] as number);
    const after = before.map((size, i) => (i === grown ? size + Math.floor(random() * room) : size));
    const [old, young] = [assign(before), assign(after)];
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      if (old[bucket] !== young[bucket] && old[bucket] !== -1) moved += 1;
    }
  }
  return moved;
}
