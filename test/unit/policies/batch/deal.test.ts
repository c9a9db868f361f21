import { expect, test } from "vitest";
import { type Bucket, openBuckets } from "../../../../policies/batch/buckets.ts";
import { learnerAt, type Option, shares } from "../../../../policies/batch/deal.ts";

const MOST_ROWS = 32;

/** Endpoints that take so long for each row, beside one millisecond for each batch. */
function setUp(perRowMs: readonly number[], runs = 40) {
  const bucket: Bucket = openBuckets(MOST_ROWS).of("any");
  const options = perRowMs.map((_, i): Option => ({ place: { id: `e${i}`, own: 0, queuedMs: 0 }, slots: 1 }));
  let now = 0;
  for (const [i, { place }] of options.entries()) {
    for (let n = 0; n < runs; n += 1) {
      const rows = 1 + (n % MOST_ROWS);
      now += 1;
      learnerAt(bucket, place).learn(rows, 1 + (perRowMs[i] ?? 0) * rows, now);
    }
  }
  const deal = (rows: number, free = options) =>
    shares(bucket, free, { now, cap: MOST_ROWS, rows }).map(({ place, rows: own, why }) => [place.id, own, why()]);
  return { options, deal };
}

test("a batch for one of several endpoints tells when its rows would be done at each, the next best three by name of time", () => {
  const { deal } = setUp([8, 2, 4, 16, 32, 64]);
  expect(deal(1)).toEqual([["e1", 1, "3.00 ms, others 5.00, 9.00, 17.0, 2 more"]]);
});

test("rows that are divided tell how many go there, and when those at the others would be done", () => {
  const { deal } = setUp([1, 1]);
  expect(deal(20)).toEqual([
    ["e0", 10, "11.0 ms for 10 of 20 rows, the other 11.0"],
    ["e1", 10, "11.0 ms for 10 of 20 rows, the other 11.0"],
  ]);
});

test("where nothing was compared it says why that one", () => {
  const { options, deal } = setUp([1, 1], 5);
  expect(deal(1)).toEqual([["e0", expect.any(Number), "to be tried, 5 of 8 runs timed"]]);
  expect(deal(1, options.slice(1))).toEqual([["e1", expect.any(Number), "the only one free"]]);
});
