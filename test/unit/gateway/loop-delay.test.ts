import { expect, test } from "vitest";
import { type Histogram, openLoopDelay } from "../../../gateway/loop-delay.ts";

/** As Node's, with samples that a test says, in milliseconds. */
function histogramOf(samples: number[]): Histogram {
  const sum = () => samples.reduce((all, one) => all + one, 0);
  return {
    get count() {
      return samples.length;
    },
    get min() {
      return Math.min(...samples) * 1e6;
    },
    get max() {
      return Math.max(...samples) * 1e6;
    },
    get mean() {
      return (sum() / samples.length) * 1e6;
    },
    stddev: 0,
    percentile: () => (samples.at(-1) ?? 0) * 1e6,
    reset: () => void samples.splice(0),
    enable: () => true,
    disable: () => true,
  };
}

test("the mean is of what came since it was asked for, without how often the loop is looked at", () => {
  const samples = [100, 300];
  const delay = openLoopDelay(histogramOf(samples));
  expect(delay.meanMs()).toBe(100);
  samples.push(800);
  expect([delay.meanMs(), delay.meanMs()]).toEqual([700, 0]);
});

test("who asks how late the loop was takes nothing from the mean", () => {
  const samples = [100];
  const delay = openLoopDelay(histogramOf(samples));
  expect(delay.meanMs()).toBe(0);
  samples.push(800, 800);
  expect(delay.lateness()).toMatchObject({ min: 0, max: 700 });
  expect(delay.meanMs()).toBe(700);
  samples.push(100);
  expect(delay.lateness()).toMatchObject({ min: 0, max: 0 });
  samples.push(300);
  expect(delay.meanMs()).toBe(100);
});
