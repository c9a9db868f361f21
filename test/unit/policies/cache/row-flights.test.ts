// Rows that several requests want at the same time: who asks the model for them, and what each gets when that fails.

import { describe, expect, it } from "vitest";
import { InferError } from "../../../../core/error.ts";
import type { Reply } from "../../../../core/request.ts";
import { answerTo, intsOf, POISON, rowsOfInts } from "../../../support/batch-model.ts";
import { type CacheBench, settle } from "../../../support/cache.ts";
import { askedRows, openRowBench, rows, textOf, valuesOf, wantOf } from "../../../support/cached-rows.ts";
import { seededRandom } from "../../../support/fake-env.ts";
import { type Asked, requestFor } from "../../../support/scripted.ts";

const open = () => openRowBench();

describe("rows that are being asked", () => {
  it("are not asked a second time: who wants them waits, and asks for its others only", async () => {
    const bench = open();
    const first = bench.ask(rows(1, 2, 3));
    const one = await askedRows(bench);
    const second = bench.ask(rows(3, 4, 2));
    const other = await askedRows(bench);
    expect([one.values, other.values]).toEqual([[1, 2, 3], [4]]);
    other.answer();
    one.answer();
    expect(textOf(await first.answer)).toEqual(wantOf([1, 2, 3]));
    expect(textOf(await second.answer)).toEqual(wantOf([3, 4, 2]));
    expect(second.said()).toBe("miss: 0 of 3 rows were kept");
  });

  it("are one call for 1,000 equal requests, of which all but one say so", async () => {
    const bench = open();
    const all = Array.from({ length: 1_000 }, () => bench.ask(rows(1, 2)));
    (await askedRows(bench)).answer();
    for (const { answer } of all) expect(textOf(await answer)).toEqual(wantOf([1, 2]));
    expect(bench.handle.waiting).toBe(0);
    expect(all.map((one) => one.said()).filter((said) => said?.startsWith("coalesced"))).toHaveLength(999);
  });

  it("are asked once where they are equal within a request, and given to each", async () => {
    const bench = open();
    const one = bench.ask(rows(5, 6, 5, 5));
    const sent = await askedRows(bench);
    expect(sent.values).toEqual([5, 6]);
    sent.answer();
    expect(textOf(await one.answer)).toEqual(wantOf([5, 6, 5, 5]));
  });

  it("are asked anew by who waits when the first fails for a row of its own", async () => {
    const bench = open();
    const first = bench.ask(rows(1, POISON));
    const failing = await askedRows(bench);
    const second = bench.ask(rows(1, 2));
    const own = await askedRows(bench);
    expect(own.values).toEqual([2]);
    own.answer();
    failing.one.fail(new InferError("invalid-argument", "poison", { origin: "client" }));
    await expect(first.answer).rejects.toThrow("poison");
    const again = await askedRows(bench);
    expect(again.values).toEqual([1]);
    again.answer();
    expect(textOf(await second.answer)).toEqual(wantOf([1, 2]));
  });

  it("are asked by each for itself at the third failure of others: a failure is never handed on", async () => {
    const bench = open();
    const callers = Array.from({ length: 4 }, () => bench.ask(rows(1, 2)));
    const fail = async () =>
      (await askedRows(bench)).one.fail(new InferError("unavailable", "gone", { origin: "backend" }));
    await fail();
    await fail();
    await settle();
    // the two that have waited twice
    expect(bench.handle.waiting).toBe(2);
    await fail();
    (await askedRows(bench)).answer();
    const ends = await Promise.allSettled(callers.map(({ answer }) => answer));
    expect(ends.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected", "fulfilled"]);
  });

  it("go on being asked when the first caller leaves, and end with the last one", async () => {
    const bench = open();
    const first = bench.ask(rows(1, 2));
    const sent = await askedRows(bench);
    const second = bench.ask(rows(2, 1));
    await settle();
    first.call.cancel(new InferError("cancelled", "left"));
    await expect(first.answer).rejects.toThrow("left");
    expect(sent.one.call.signal.aborted).toBe(false);
    sent.answer();
    expect(textOf(await second.answer)).toEqual(wantOf([2, 1]));
    const alone = bench.ask(rows(8, 9));
    const last = await askedRows(bench);
    alone.call.cancel(new InferError("cancelled", "left"));
    await expect(alone.answer).rejects.toThrow("left");
    expect(last.one.call.signal.aborted).toBe(true);
  });

  it("are waited for no longer than a caller's own deadline", async () => {
    const bench = open();
    const first = bench.ask(rows(1, 2));
    const sent = await askedRows(bench);
    const hasty = bench.ask({ ...rows(1, 2), call: { timeoutMs: 50 } });
    await settle();
    bench.env.clock.advance(50);
    await expect(hasty.answer).rejects.toMatchObject({ code: "deadline-exceeded" });
    sent.answer();
    expect(textOf(await first.answer)).toEqual(wantOf([1, 2]));
  });
});

describe("rows of two calls", () => {
  it("are never put together when the model is replaced between them: the whole request is asked anew", async () => {
    const bench = open();
    const before = bench.ask(rows(1, 2));
    (await askedRows(bench)).answer();
    await before.answer;
    const torn = bench.ask(rows(1, 2, 3));
    const missing = await askedRows(bench);
    expect(missing.values).toEqual([3]);
    bench.become({ id: "b", portable: true });
    missing.answer();
    const whole = await askedRows(bench);
    expect(whole.values).toEqual([1, 2, 3]);
    whole.answer();
    expect(textOf(await torn.answer)).toEqual(wantOf([1, 2, 3]));
    expect(torn.said()).toBe("miss: 0 of 3 rows were kept");
  });

  it("are not put together after a purge either", async () => {
    const bench = open();
    const before = bench.ask(rows(1, 2));
    (await askedRows(bench)).answer();
    await before.answer;
    const torn = bench.ask(rows(1, 3));
    const missing = await askedRows(bench);
    await bench.room.purge({ model: "m" });
    missing.answer();
    const whole = await askedRows(bench);
    expect(whole.values).toEqual([1, 3]);
    whole.answer();
    expect(textOf(await torn.answer)).toEqual(wantOf([1, 3]));
  });

  it("that do not fit each other are asked again as one, as where a model fills rows up to the longest", async () => {
    const bench = open();
    const filled = (one: Asked, width: number) => {
      const values = valuesOf(one);
      const wide = rowsOfInts(values, width);
      const answer = answerTo(requestFor("m", { inputs: [wide] }));
      one.reply(answer);
      return textOf(answer);
    };
    const before = bench.ask(rows(1, 2));
    filled((await askedRows(bench)).one, 2);
    await before.answer;
    const later = bench.ask(rows(1, 9));
    filled((await askedRows(bench)).one, 3);
    const whole = await askedRows(bench);
    expect(whole.values).toEqual([1, 9]);
    const want = filled(whole.one, 3);
    expect(textOf(await later.answer)).toEqual(want);
  });
});

/** Callers that come, leave and fail at random, and a model that answers in any order, now and then with a fault. */
async function crowd(answer: (one: Asked) => Reply) {
  const random = seededRandom(4);
  const bench = open();
  const flying = new Map<Asked, readonly number[]>();
  const waiting: { readonly values: readonly number[]; readonly asking: ReturnType<CacheBench["ask"]> }[] = [];
  const count = { twice: 0, right: 0, wrong: 0, failed: 0 };
  const land = async () => {
    await settle();
    while (bench.handle.waiting > 0) {
      const one = await bench.handle.next();
      flying.set(one, valuesOf(one));
    }
  };
  for (let turn = 0; turn < 600; turn += 1) {
    const values = Array.from({ length: 1 + Math.floor(random() * 6) }, () => Math.floor(random() * 20));
    waiting.push({ values, asking: bench.ask(rows(...values)) });
    await land();
    const all = [...flying].flatMap(([one, of]) => (one.call.signal.aborted ? [] : of));
    count.twice = Math.max(count.twice, all.length - new Set(all).size);
    for (const [one] of [...flying]) {
      if (random() < 0.5) continue;
      flying.delete(one);
      if (random() < 0.05) one.fail(new InferError("unavailable", "gone", { origin: "backend" }));
      else one.reply(answer(one));
    }
    if (random() < 0.1) waiting.at(-1)?.asking.call.cancel(new InferError("cancelled", "left"));
    bench.env.clock.advance(random() * 2_000);
  }
  for (let n = 0; n < 50; n += 1) {
    await land();
    for (const [one] of flying) one.reply(answer(one));
    flying.clear();
  }
  for (const { values, asking } of waiting) {
    const reply = await asking.answer.catch(() => undefined);
    if (reply === undefined) count.failed += 1;
    else if (`${textOf(reply)}` === `${wantOf(values)}`) count.right += 1;
    else count.wrong += 1;
  }
  return count;
}

describe("a crowd that comes, leaves and fails at random", () => {
  it("gets its own rows, each in its order, and no row is asked twice at a time", async () => {
    const { twice, right, wrong, failed } = await crowd(({ request }) => answerTo(request));
    expect(wrong).toBe(0);
    expect(right + failed).toBe(600);
    expect(right).toBeGreaterThan(450);
    // only those that have waited twice for others ask beside them
    expect(twice).toBeLessThan(4);
  });

  it("would notice a row of another", async () => {
    const swapped = ({ request }: Asked) =>
      answerTo({ ...request, inputs: [rowsOfInts(request.inputs.flatMap(intsOf).reverse())] });
    expect((await crowd(swapped)).wrong).toBeGreaterThan(100);
  });
});
