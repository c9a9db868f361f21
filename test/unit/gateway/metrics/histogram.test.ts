// The histogram of ours beside prom-client's own.

import fc from "fast-check";
import { Histogram as LibraryHistogram, Registry } from "prom-client";
import { expect, test } from "vitest";
import { Histogram } from "../../../../gateway/metrics/histogram.ts";

const words = {
  name: "seconds",
  help: 'Time, with a "quote", a \\ and\na line.',
  labelNames: ["model", "version"] as ("model" | "version")[],
  buckets: [0.001, 0.01, 1],
};

test("exposes the very text of prom-client's, whatever is observed", async () => {
  const label = fc.oneof(fc.constantFrom("m", "1", "__proto__", "", 'a"b\\c\n'), fc.string({ maxLength: 3 }));
  const value = fc.oneof(fc.constantFrom(0, 0.001, 0.01, 1, 1.0001, -1), fc.double({ min: -2, max: 20, noNaN: true }));
  const seen = fc.record({ model: label, version: label, value });
  await fc.assert(
    fc.asyncProperty(fc.array(seen, { maxLength: 40 }), async (all) => {
      const [ours, theirs] = [new Registry(), new Registry()];
      const own = new Histogram({ ...words, registers: [ours] });
      const library = new LibraryHistogram({ ...words, registers: [theirs] });
      for (const { value, ...labels } of all) {
        own.observe(labels, value);
        library.observe(labels, value);
      }
      expect(await ours.metrics()).toBe(await theirs.metrics());
    }),
    { numRuns: 300 },
  );
});

test("refuses what is no finite number, and a name that is taken", () => {
  const registers = [new Registry()];
  const one = new Histogram({ ...words, registers });
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => one.observe({ model: "m", version: "1" }, value)).toThrow(`got ${value}`);
  expect(() => new Histogram({ ...words, registers })).toThrow("already been registered");
});
