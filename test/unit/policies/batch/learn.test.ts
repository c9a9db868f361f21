// What batches cost, how rows are divided by it, who is too late, and how a guilty member is found.

import { describe, expect, it } from "vitest";
import { InferError, invalid } from "../../../../core/error.ts";
import { mayBeData, runHalving } from "../../../../policies/batch/bisect.ts";
import { fill, type Vessel } from "../../../../policies/batch/fill.ts";
import { formBatch, type Limits, paddedRows } from "../../../../policies/batch/form.ts";
import { openLearner, usefulRows } from "../../../../policies/batch/learn.ts";
import { openLine } from "../../../../policies/batch/line.ts";
import { openMember } from "../../../../policies/batch/member.ts";
import { matchedRows, openPace, pays, waitMs } from "../../../../policies/batch/pace.ts";
import { rowsOfInts } from "../../../support/batch.ts";
import { fakeEnv, seededRandom } from "../../../support/fake-env.ts";
import { aCall } from "../../../support/fake-pool.ts";
import { requestFor } from "../../../support/scripted.ts";

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

describe("forming a batch", () => {
  const env = fakeEnv();
  const member = (rows: number, init: { timeoutMs?: number; tenant?: string; priority?: number } = {}) =>
    openMember({
      request: requestFor("m", { inputs: [rowsOfInts(Array.from({ length: rows }, (_, i) => i))] }),
      call: aCall(env, init),
      rows,
      bytes: 4 * rows,
      onSettled: () => {},
    });
  const lineOf = (...members: readonly ReturnType<typeof member>[]) => {
    const line = openLine();
    for (const one of members) line.add(one);
    return line;
  };
  const limits = (init: Partial<Limits> = {}): Limits => ({
    rows: 8,
    full: 8,
    bytes: 1 << 20,
    preferred: [],
    cost: undefined,
    waitMs: 0,
    now: env.clock.now(),
    ...init,
  });
  const cost = { a: 1, B: 2, overMs: 0 };

  it("takes rows, not requests: MLServer counts requests", () => {
    const { rows, members, reason } = formBatch(lineOf(member(3), member(4), member(4)), limits());
    expect([rows, members.length, reason]).toEqual([7, 2, "slot-free"]);
  });

  it("says that it is full", () => {
    expect(formBatch(lineOf(member(4), member(4), member(1)), limits()).reason).toBe("full");
  });

  it("takes one that is larger than the limit alone", () => {
    expect(formBatch(lineOf(member(20), member(1)), limits()).rows).toBe(20);
  });

  it("stops at the limit of bytes", () => {
    expect(formBatch(lineOf(member(1), member(1), member(1)), limits({ bytes: 8 })).rows).toBe(2);
  });

  it("takes the largest preferred size that is reached", () => {
    const ones = Array.from({ length: 7 }, () => member(1));
    const { rows, reason } = formBatch(lineOf(...ones), limits({ preferred: [2, 4, 16] }));
    expect([rows, reason]).toEqual([4, "preferred"]);
  });

  it("is as small as the tightest deadline asks for", () => {
    const ones = [member(1), member(1), member(1, { timeoutMs: 6 }), member(1), member(1), member(1)];
    const formed = formBatch(lineOf(...ones), limits({ cost }));
    expect([formed.rows, formed.reason, formed.late.length]).toEqual([4, "deadline", 0]);
    expect(formed.members).toContain(ones[2]);
  });

  it("refuses one that cannot be answered in time even alone, now and not later", () => {
    const late = member(1, { timeoutMs: 2.5 });
    const formed = formBatch(lineOf(late, member(1)), limits({ cost }));
    expect([formed.late, formed.rows]).toEqual([[late], 1]);
  });

  it("refuses one that would force a batch below half of what waits", () => {
    const late = member(1, { timeoutMs: 5 });
    const formed = formBatch(lineOf(late, ...Array.from({ length: 7 }, () => member(1))), limits({ cost }));
    expect([formed.late, formed.rows]).toEqual([[late], 7]);
  });

  it("counts the wait at the endpoint and how much longer runs may take", () => {
    const line = lineOf(member(1, { timeoutMs: 5 }));
    expect(formBatch(line, limits({ cost, waitMs: 1 })).late).toHaveLength(0);
    expect(formBatch(line, limits({ cost, waitMs: 3 })).late).toHaveLength(1);
    expect(formBatch(line, limits({ cost: { ...cost, overMs: 3 } })).late).toHaveLength(1);
  });

  it("refuses nobody before it knows what runs take", () => {
    expect(formBatch(lineOf(member(1, { timeoutMs: 0.1 })), limits()).late).toHaveLength(0);
  });

  it("serves priorities first, 1 before 2, and who says nothing last", () => {
    const [none, two, one] = [member(1), member(1, { priority: 2 }), member(1, { priority: 1 })];
    expect([...lineOf(none, two, one).order()]).toEqual([one, two, none]);
  });

  it("gives tenants equal rows, however many each has waiting", () => {
    const greedy = Array.from({ length: 20 }, () => member(1, { tenant: "greedy" }));
    const modest = [member(2, { tenant: "modest" }), member(2, { tenant: "modest" })];
    const { members } = formBatch(lineOf(...greedy, ...modest), limits());
    expect(members.filter((one) => one.call.tenant === "modest")).toHaveLength(2);
    expect(members).toHaveLength(6);
  });

  it("pads to the model's next size", () => {
    expect([1, 4, 5, 16, 17].map((rows) => paddedRows(rows, [4, 16]))).toEqual([4, 4, 16, 16, 17]);
    expect(paddedRows(3, [])).toBe(3);
  });
});

describe("waiting for more rows", () => {
  const cost = { a: 0.1, B: 2, overMs: 0 };

  it("is for the rows that keep every slot just busy", () => {
    expect(matchedRows(2, cost, { slots: 2, most: 64 })).toBe(2);
    expect(matchedRows(10, cost, { slots: 2, most: 64 })).toBe(20);
    expect(matchedRows(30, cost, { slots: 2, most: 64 })).toBe(64);
    expect(matchedRows(0.1, cost, { slots: 2, most: 64 })).toBe(1);
  });

  it("pays only where a batch costs less than its rows alone", () => {
    expect(pays(1, cost, 4)).toBe(true);
    expect(pays(1, cost, 1)).toBe(false);
    expect(pays(1, { a: 1, B: 0, overMs: 0 }, 4)).toBe(false);
  });

  it("is never longer than the limit or a tenth of the deadline", () => {
    const waiting = { rows: 1, since: 0, maxDelayMs: 5 };
    expect(waitMs({ ...waiting, deadline: Number.POSITIVE_INFINITY }, 4, 0)).toBe(5);
    expect(waitMs({ ...waiting, deadline: 20 }, 4, 0)).toBe(2);
    expect(waitMs({ ...waiting, deadline: 20 }, 4, 3)).toBe(0);
    expect(waitMs({ ...waiting, deadline: 20, rows: 4 }, 4, 0)).toBe(0);
  });

  it("knows how fast rows come", () => {
    const pace = openPace();
    for (let i = 0; i < 1000; i += 1) pace.came(3, i);
    expect(pace.rate(1000)).toBeCloseTo(3, 1);
    expect(pace.rate(2000)).toBeLessThan(0.001);
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
