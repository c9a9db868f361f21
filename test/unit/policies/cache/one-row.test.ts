// A request of one row among requests of several: who asks the model for what both want.

import { describe, expect, it } from "vitest";
import { InferError } from "../../../../core/error.ts";
import { answerTo, POISON, rowsOfInts } from "../../../support/batch-model.ts";
import { settle } from "../../../support/cache.ts";
import { askedRows, openRowBench, rows, textOf, wantOf } from "../../../support/cached-rows.ts";
import { requestFor } from "../../../support/scripted.ts";

describe("a request of one row and one of several at the same time", () => {
  it("ask for the row once, whoever comes first", async () => {
    const bench = openRowBench();
    const several = bench.ask(rows(1, 2));
    const sent = await askedRows(bench);
    const single = bench.ask(rows(2));
    await settle();
    expect(bench.handle.waiting).toBe(0);
    sent.answer();
    expect(textOf(await single.answer)).toEqual(wantOf([2]));
    expect(single.said()).toBe("coalesced");
    expect(textOf(await several.answer)).toEqual(wantOf([1, 2]));

    const first = bench.ask(rows(3));
    const one = await askedRows(bench);
    const beside = bench.ask(rows(4, 3, 1));
    const other = await askedRows(bench);
    expect([one.values, other.values]).toEqual([[3], [4]]);
    other.answer();
    one.answer();
    expect(textOf(await beside.answer)).toEqual(wantOf([4, 3, 1]));
    expect(beside.said()).toBe("miss: 1 of 3 rows were kept");
    expect(textOf(await first.answer)).toEqual(wantOf([3]));
    // and both are kept
    for (const values of [[3], [4, 3]]) expect(textOf(await bench.ask(rows(...values)).answer)).toEqual(wantOf(values));
    expect(bench.handle.waiting).toBe(0);
  });

  it("ask each for themselves where the other fails for a row that is not theirs", async () => {
    const bench = openRowBench();
    const several = bench.ask(rows(POISON, 2));
    const sent = await askedRows(bench);
    const single = bench.ask(rows(2));
    await settle();
    sent.one.fail(new InferError("invalid-argument", "poison", { origin: "client" }));
    await expect(several.answer).rejects.toThrow("poison");
    const again = await askedRows(bench);
    expect(again.values).toEqual([2]);
    again.answer();
    expect(textOf(await single.answer)).toEqual(wantOf([2]));
  });

  it("go on for the other when one leaves, and end with the last", async () => {
    const bench = openRowBench();
    const single = bench.ask(rows(2));
    const sent = await askedRows(bench);
    const several = bench.ask(rows(2, 3));
    const other = await askedRows(bench);
    single.call.cancel(new InferError("cancelled", "left"));
    await expect(single.answer).rejects.toThrow("left");
    expect(sent.one.call.signal.aborted).toBe(false);
    several.call.cancel(new InferError("cancelled", "left"));
    await expect(several.answer).rejects.toThrow("left");
    expect([sent.one.call.signal.aborted, other.one.call.signal.aborted]).toEqual([true, true]);
  });

  it("take nothing from an answer to one row that is not one row", async () => {
    const bench = openRowBench();
    const single = bench.ask(rows(2));
    const sent = await askedRows(bench);
    const several = bench.ask(rows(2, 3));
    (await askedRows(bench)).answer();
    sent.one.reply(answerTo(requestFor("m", { inputs: [rowsOfInts([2, 2])] })));
    expect(textOf(await single.answer)).toEqual(wantOf([2, 2]));
    const again = await askedRows(bench);
    expect(again.values).toEqual([2]);
    again.answer();
    expect(textOf(await several.answer)).toEqual(wantOf([2, 3]));
  });
});
