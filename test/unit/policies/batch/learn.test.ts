// What batches cost, how rows are divided by it, and how a guilty member is found.

import { describe, expect, it } from "vitest";
import { InferError, invalid } from "../../../../core/error.ts";
import { mayBeData, runHalving } from "../../../../policies/batch/bisect.ts";
import { fill, type Vessel } from "../../../../policies/batch/fill.ts";
import { openLearner, usefulRows } from "../../../../policies/batch/learn.ts";
import { seededRandom } from "../../../support/fake-env.ts";

/** A learner that has seen so many runs of l(b) = a*b + B, each up to `noise` of its time longer. */
function taught({ a, B, runs = 64, noise = 0 }: { a: number; B: number; runs?: number; noise?: number }) {
  const random = seededRandom(3);
  const learner = openLearner(64);
  for (let i = 0; i < runs; i += 1) {
    const rows = 1 + Math.floor(random() * 32);
    learner.learn(rows, (a * rows + B) * (1 + noise * random()), i);
  }
  return learner;
}

describe("what a batch costs", () => {
  it.each([
    { a: 0.2, B: 5 },
    { a: 3, B: 0.4 },
    { a: 0.01, B: 0.3 },
  ])("is learned: $a ms a row and $B ms", ({ a, B }) => {
    const cost = taught({ a, B }).cost();
    expect(cost?.a).toBeCloseTo(a, 3);
    expect(cost?.B).toBeCloseTo(B, 2);
  });

  it("is learned through noise, and how much longer 19 of 20 take", () => {
    const cost = taught({ a: 0.2, B: 5, noise: 0.2, runs: 200 }).cost();
    expect(cost?.a).toBeGreaterThan(0.15);
    expect(cost?.a).toBeLessThan(0.3);
    expect(cost?.B).toBeGreaterThan(4);
    expect(cost?.B).toBeLessThan(6.5);
    expect(cost?.overMs).toBeGreaterThan(0.2);
    expect(cost?.overMs).toBeLessThan(2);
  });

  it("is unknown before eight runs", () => {
    expect(taught({ a: 1, B: 1, runs: 7 }).cost()).toBeUndefined();
    expect(taught({ a: 1, B: 1, runs: 8 }).cost()).toBeDefined();
  });

  it("follows a model that becomes slower", () => {
    const learner = taught({ a: 0.2, B: 5, runs: 50 });
    for (let i = 0; i < 1000; i += 1) learner.learn(1 + (i % 32), 0.4 * (1 + (i % 32)) + 10, 100 + i);
    expect(learner.cost()?.a).toBeCloseTo(0.4, 1);
    expect(learner.cost()?.B).toBeCloseTo(10, 0);
  });

  it("does not blow up when one size is seen a hundred thousand times", () => {
    const learner = taught({ a: 0.2, B: 5 });
    for (let i = 0; i < 100_000; i += 1) learner.learn(4, 5.8, i);
    const { a, B } = learner.cost() ?? { a: Number.NaN, B: Number.NaN };
    expect(4 * a + B).toBeCloseTo(5.8, 1);
    expect(Number.isFinite(a) && Number.isFinite(B)).toBe(true);
  });

  it("is not believed for long without a run: what refuses everybody would never be tried again", () => {
    const learner = taught({ a: 1, B: 1 });
    expect(learner.believed(64)).toBe(true);
    expect(learner.believed(64 + 1001)).toBe(false);
  });
});

describe("the useful size", () => {
  it.each([
    [0.2, 5, 64],
    [10, 5, 10],
    [19, 1, 1],
    [0, 1, 64],
    [1, 0, 1],
    [1, -1, 1],
  ])("is clamp(ceil(19*B/a), 1, 64): %s ms a row and %s ms give %s", (a, B, rows) => {
    expect(usefulRows({ a, B }, 64)).toBe(rows);
  });

  it("grows step by step until enough is known, so that a slow model is not held up by large batches", () => {
    const sizes = Array.from({ length: 9 }, (_, runs) => taught({ a: 40, B: 0, runs }).useful(10));
    expect(sizes.slice(0, 8)).toEqual([2, 2, 4, 4, 8, 8, 16, 16]);
  });

  it("is 1, off, where batching gains nothing, and is looked for again after 60 s", () => {
    const learner = taught({ a: 40, B: 0.1 });
    expect(learner.useful(64)).toBe(1);
    expect(learner.useful(59_000)).toBe(1);
    expect(learner.useful(61_000)).toBe(2);
    expect(learner.samples).toBe(0);
  });

  it("survives a run that the machine held up", () => {
    const learner = taught({ a: 0.2, B: 5 });
    learner.learn(32, 5000, 65);
    expect(learner.useful(66)).toBe(64);
    expect(learner.cost()?.B).toBeGreaterThan(3);
  });
});

describe("dividing rows among endpoints", () => {
  const vessel = (init: Partial<Vessel> = {}): Vessel => ({ a: 1, B: 1, waitMs: 0, useful: 64, ...init });

  it("gives equal ones equal shares", () => {
    expect(fill(20, [vessel(), vessel()])).toEqual([10, 10]);
  });

  it("gives by speed, so that all finish at one time", () => {
    const rows = fill(40, [vessel({ a: 1 }), vessel({ a: 3 })]);
    expect(rows).toEqual([30, 10]);
  });

  it("gives one that is busy less", () => {
    expect(fill(20, [vessel(), vessel({ waitMs: 10 })])).toEqual([15, 5]);
  });

  it("does not split unless that ends at 0.9 of the best one's time or earlier", () => {
    expect(fill(4, [vessel({ a: 0.1, B: 10 }), vessel({ a: 0.1, B: 10 })])).toEqual([4, 0]);
    expect(fill(10, [vessel({ a: 1 }), vessel({ a: 50 })])).toEqual([10, 0]);
  });

  it("gives nobody more than is useful there, and leaves the rest waiting", () => {
    expect(fill(100, [vessel({ useful: 8 }), vessel({ useful: 16 })])).toEqual([8, 16]);
    expect(fill(100, [vessel({ useful: 8 })])).toEqual([8]);
  });

  it("loses no row and gives none twice, whatever the endpoints", () => {
    const random = seededRandom(11);
    for (let i = 0; i < 5000; i += 1) {
      const vessels = Array.from({ length: 1 + Math.floor(5 * random()) }, () =>
        vessel({ a: 3 * random(), B: 5 * random(), waitMs: 4 * random(), useful: 1 + Math.floor(40 * random()) }),
      );
      const wanted = 1 + Math.floor(80 * random());
      const rows = fill(wanted, vessels);
      const sum = rows.reduce((total, one) => total + one, 0);
      expect(sum).toBeGreaterThan(0);
      expect(sum).toBeLessThanOrEqual(wanted);
      for (const [j, one] of rows.entries()) expect(one).toBeLessThanOrEqual(vessels[j]?.useful ?? 0);
    }
  });
});

describe("finding the guilty member", () => {
  const find = async (count: number, guilty: ReadonlySet<number>) => {
    const runs = new Map<number, number>();
    const failed: number[] = [];
    const answered: number[] = [];
    await runHalving(
      Array.from({ length: count }, (_, i) => i),
      {
        async run(members) {
          for (const one of members) runs.set(one, (runs.get(one) ?? 0) + 1);
          if (members.some((one) => guilty.has(one))) throw invalid("poison");
          answered.push(...members);
        },
        mayHalve: mayBeData,
        waiting: (members) => members,
        fail: (members) => failed.push(...members),
      },
    );
    return { failed: failed.sort((a, b) => a - b), answered, most: Math.max(...runs.values()) };
  };

  it.each([1, 2, 3, 5, 8, 23, 64])(
    "of %s: only it fails, and nobody runs more than ceil(log2(members)) + 1 times",
    async (count) => {
      for (let guilty = 0; guilty < count; guilty += 1) {
        const { failed, answered, most } = await find(count, new Set([guilty]));
        expect(failed).toEqual([guilty]);
        expect(answered).toHaveLength(count - 1);
        expect(most).toBeLessThanOrEqual(Math.ceil(Math.log2(count)) + 1);
      }
    },
  );

  it("finds several", async () => {
    expect((await find(16, new Set([0, 7, 8]))).failed).toEqual([0, 7, 8]);
  });

  it.each<[boolean, InferError]>([
    [true, invalid("bad")],
    [true, new InferError("too-large", "big")],
    [true, new InferError("bad-backend", "the model failed on it", { retryable: "no" })],
    [false, new InferError("bad-backend", "the answer is short")],
    [false, new InferError("unavailable", "gone")],
    [false, new InferError("overloaded", "full")],
    [false, new InferError("deadline-exceeded", "late")],
    [false, new InferError("internal", "bug")],
  ])("%s: %s may be one member's data", (expected, error) => {
    expect(mayBeData(error)).toBe(expected);
  });
});
