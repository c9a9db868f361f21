import { expect, test } from "vitest";
import { GRADIENT2, openGradient2 } from "../../../../backends/external/gradient2.ts";

/** As many calls at once as the limit allows. */
const BUSY = 1e5;

const times = (count: number, latency: number, inFlight = BUSY) =>
  Array.from({ length: count }, () => [latency, inFlight] as const);

function limitsOf(windows: readonly (readonly [number, number])[]): readonly number[] {
  const gradient = openGradient2();
  return windows.map(([latency, inFlight]) => {
    gradient.update(latency, inFlight);
    return Math.round(gradient.limit * 1e6) / 1e6;
  });
}

// The numbers are those of Netflix/concurrency-limits, Gradient2Limit.java with ExpAvgMeasurement.java, put line by line
// into another language and run there with the same options.
test("grows by a fifth of the queue in each window while the latency stays what it is", () => {
  const golden = [16.8, 17.6, 18.4, 19.2, 20, 20.8, 21.6, 22.4, 23.2, 24, 24.8, 25.6];
  expect(limitsOf(times(12, 10))).toEqual(golden);
});

test("does not grow while nobody comes near the limit", () => {
  expect(limitsOf([...times(4, 10, 5), ...times(2, 10, 8)])).toEqual([16, 16, 16, 16, 16.8, 16.8]);
});

test("falls by at most a tenth in each window when the latency rises beyond the tolerance", () => {
  const golden = [22.4, 20.96, 19.664, 18.4976, 17.44784, 16.503056, 15.65275, 14.887475, 14.198728, 13.578855];
  expect(limitsOf([...times(10, 10), ...times(10, 40)]).slice(10)).toEqual(golden);
});

test("grows again at once after bad times, though they stay long in the average", () => {
  const golden = [26.4, 27.2, 28, 28.8, 29.6, 30.4, 31.2, 32, 32.8, 33.6, 34.4, 35.2];
  expect(limitsOf([...times(12, 100), ...times(12, 10)]).slice(12)).toEqual(golden);
});

test("takes the best of its first windows for the usual, so that a start under too much load is seen as such", () => {
  // a server of 8 slots and 40 ms: with 16 calls and more each waits behind others, from the second window on
  const limits = limitsOf(Array.from({ length: 40 }, (_, i) => [i === 0 ? 40 : 150, BUSY] as const));
  // by the mean of ten windows 150 ms would be usual, and the limit would only grow
  expect(Math.max(...limits)).toBe(16.8);
  expect(limits.at(-1)).toBeLessThan(9);
});

test("never leaves its bounds", () => {
  expect(limitsOf(times(3000, 10)).at(-1)).toBe(512);
  expect(limitsOf([...times(10, 10), ...times(60, 1000)]).at(-1)).toBe(8.028752);
  const small = openGradient2({ ...GRADIENT2, max: 8 });
  expect(small.limit).toBe(8);
  const least = openGradient2({ ...GRADIENT2, queue: 0 });
  for (const [latency, inFlight] of [...times(10, 1), ...times(100, 1000)]) least.update(latency, inFlight);
  expect(least.limit).toBe(4);
});
