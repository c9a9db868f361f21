// Row by row: which rows the model is asked for, and that each caller has its own rows in its own order.

import { describe, expect, it } from "vitest";
import { joinBytesElements } from "../../../../core/tensor.ts";
import { answerTo, rowsOfInts } from "../../../support/batch-model.ts";
import { answerOf, type CacheAsk, ints } from "../../../support/cache.ts";
import { askRows as ask, openRowBench, rows, wantOf } from "../../../support/cached-rows.ts";
import { seededRandom } from "../../../support/fake-env.ts";
import { requestFor } from "../../../support/scripted.ts";

const open = (metadata: object = {}) => openRowBench({ metadata });

describe("a request of several rows", () => {
  it("asks the model only for those that were not answered before, and has them all in its order", async () => {
    const bench = open();
    expect(await ask(bench, rows(1, 2, 3))).toMatchObject({ asked: [1, 2, 3], text: wantOf([1, 2, 3]) });
    bench.env.clock.advance(2_000);
    expect(await ask(bench, rows(3, 4, 1, 5))).toMatchObject({
      asked: [4, 5],
      text: wantOf([3, 4, 1, 5]),
      said: "miss: 2 of 4 rows were kept",
      facts: { askedRows: 2 },
    });
    bench.env.clock.advance(1_000);
    expect(await ask(bench, rows(5, 3))).toMatchObject({
      asked: [],
      text: wantOf([5, 3]),
      said: "hit: 3 s old: 2 rows",
      facts: { cache: "hit", ageMs: 3_000 },
    });
  });

  it("shares its rows with requests of one row, both ways", async () => {
    const bench = open();
    expect(await ask(bench, rows(1))).toMatchObject({ asked: [1] });
    expect(await ask(bench, rows(1, 2))).toMatchObject({ asked: [2], text: wantOf([1, 2]) });
    expect(await ask(bench, rows(2))).toMatchObject({ asked: [], text: wantOf([2]) });
  });

  it("shares them over several inputs, of text and of more than 4 KiB a row, whatever stands beside a row", async () => {
    const spec = (name: string, datatype: "BYTES" | "INT32", width: number) => ({ name, datatype, shape: [-1, width] });
    const bench = open({ inputs: [spec("x", "INT32", 1), spec("text", "BYTES", 1), spec("wide", "INT32", 1_100)] });
    const many = (...values: readonly number[]): CacheAsk => {
      const words = values.map((value) => new TextEncoder().encode("t".repeat(value)));
      const text = {
        name: "text",
        datatype: "BYTES" as const,
        shape: [values.length, 1],
        data: joinBytesElements(words),
      };
      const wide = { ...rowsOfInts(values, 1_100), name: "wide" };
      return { request: { inputs: [rowsOfInts(values), text, wide] } };
    };
    expect(await ask(bench, many(1, 2))).toMatchObject({ asked: [1, 2] });
    expect(await ask(bench, many(2))).toMatchObject({ asked: [], text: wantOf([2]) });
    expect(await ask(bench, many(3))).toMatchObject({ asked: [3] });
    expect(await ask(bench, many(3, 1))).toMatchObject({ asked: [], text: wantOf([3, 1]) });
    // of equal bytes, but another row
    const one = { ...rowsOfInts([1, 2]), shape: [1, 2] };
    expect((await ask(bench, { request: { inputs: [one] } })).asked).toEqual([1, 2]);
  });

  it("takes nothing from a request of one row whose answer was not one row", async () => {
    const bench = open();
    await bench.miss(rows(1), { ...answerOf(), outputs: [ints("y", [4, 5])] });
    expect(await ask(bench, rows(1, 2))).toMatchObject({ asked: [1, 2], text: wantOf([1, 2]) });
  });

  it("has all rows asked anew for no-cache, and none for only-if-cached", async () => {
    const bench = open();
    await ask(bench, rows(1, 2));
    const wish = (cache: "no-cache" | "only-if-cached", what: CacheAsk) => ({ ...what, call: { cache } });
    expect(await ask(bench, wish("no-cache", rows(1, 2)))).toMatchObject({ asked: [1, 2] });
    expect(await ask(bench, wish("only-if-cached", rows(2, 1)))).toMatchObject({ asked: [], text: wantOf([2, 1]) });
    await expect(ask(bench, wish("only-if-cached", rows(1, 3)))).rejects.toThrow("some rows are not kept");
  });

  it("is one question where the model has no rows, or the request no room for look-ups", async () => {
    const bench = open({ batchDim: undefined });
    await ask(bench, rows(1, 2));
    expect(await ask(bench, rows(1, 3))).toMatchObject({ asked: [1, 3] });
    expect(await ask(bench, rows(1, 2))).toMatchObject({ asked: [], said: "hit: 0 s old" });
    const fixed = open({ outputs: [{ name: "y", datatype: "INT32", shape: [10] }] });
    await ask(fixed, rows(1, 2));
    expect(await ask(fixed, rows(2, 1))).toMatchObject({ asked: [2, 1] });
    const large = open();
    const many = rows(...Array.from({ length: 1_025 }, (_, i) => i));
    await ask(large, many);
    expect(await ask(large, rows(1, 2))).toMatchObject({ asked: [1, 2] });
  });

  it("fails as bad-backend where the answer has other rows than were sent, and keeps nothing of it", async () => {
    const bench = open();
    const asking = bench.ask(rows(1, 2));
    const asked = await bench.handle.next();
    asked.reply(answerTo(requestFor("m", { inputs: [rowsOfInts([1])] })));
    await expect(asking.answer).rejects.toMatchObject({ code: "bad-backend" });
    expect(await ask(bench, rows(1, 2))).toMatchObject({ asked: [1, 2] });
  });
});

it("a random run has the same answers as without the cache, and the model fewer rows", async () => {
  const bench = open();
  const random = seededRandom(3);
  let [sent, asked] = [0, 0];
  for (let i = 0; i < 300; i += 1) {
    const values = Array.from({ length: 1 + Math.floor(random() * 8) }, () => Math.floor(random() * 40));
    bench.env.clock.advance(random() * 300);
    const got = await ask(bench, rows(...values));
    expect(got.text).toEqual(wantOf(values));
    sent += values.length;
    asked += got.asked.length;
  }
  expect(asked).toBeLessThan(sent / 2);
  expect(asked).toBeGreaterThan(40);
});
