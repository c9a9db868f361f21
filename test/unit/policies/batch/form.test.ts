// Which members go into the next batch, who is refused as too late, and how long rows wait for others.

import { describe, expect, it } from "vitest";
import { formBatch, type Limits, paddedRows } from "../../../../policies/batch/form.ts";
import { openLine } from "../../../../policies/batch/line.ts";
import { openMember } from "../../../../policies/batch/member.ts";
import { matchedRows, openPace, pays, waitMs } from "../../../../policies/batch/pace.ts";
import { rowsOfInts } from "../../../support/batch-model.ts";
import { fakeEnv } from "../../../support/fake-env.ts";
import { aCall } from "../../../support/fake-pool.ts";
import { requestFor } from "../../../support/scripted.ts";

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

  it("takes those with the most time left while it does not know: or a line too long would never be learned from", () => {
    const members = [5, 10, 20, 30].map((timeoutMs) => member(1, { timeoutMs }));
    expect(formBatch(lineOf(...members), limits({ rows: 2 })).members).toEqual([members[3], members[2]]);
    expect(formBatch(lineOf(...members), limits({ rows: 2, cost: { a: 0, B: 1, overMs: 0 } })).members).toEqual(
      members.slice(0, 2),
    );
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
