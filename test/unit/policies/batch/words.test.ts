// The words after `batch:`, and waiting for more rows where the config allows it.

import { describe, expect, it } from "vitest";
import { batchWords } from "../../../../policies/batch/words.ts";
import { openBench } from "../../../support/batch.ts";

describe("the words after batch", () => {
  it("are all that holds where nothing is said", () => {
    expect(batchWords.parse(true)).toEqual({
      maxRows: 64,
      maxBytes: 64 * 2 ** 20,
      maxDelayMs: 0,
      maxQueue: 1024,
      preferred: [],
      sizes: [],
      inFlight: 4,
      headers: [],
      probe: false,
    });
    expect(batchWords.parse({})).toEqual(batchWords.parse(true));
  });

  it("are read: sizes in order, no more rows than the largest size holds, headers in lower case", () => {
    const words = { maxRows: 64, sizes: [32, 8, 8], preferred: [4, 2], headers: ["X-User"], repeatable: false };
    expect(batchWords.parse(words)).toMatchObject({
      maxRows: 32,
      sizes: [8, 32],
      preferred: [2, 4],
      headers: ["x-user"],
      repeatable: false,
    });
  });

  it.each([{ maxRows: 0 }, { maxDelay: "20ms" }, { maxDelay: 5 }, { sizes: [0] }, { inFlight: 0 }, { rows: 4 }, false])(
    "are refused when wrong: %j",
    (words) => {
      expect(batchWords.safeParse(words).success).toBe(false);
    },
  );
});

describe("waiting for more rows", () => {
  /** Mean rows of a batch and its longest wait, at four rows a millisecond over twelve slots, of which nine are busy. */
  const meanRows = async (maxDelay: string) => {
    const serviceMs = (rows: number) => 0.1 * rows + 2;
    const bench = openBench({ places: [{ id: "b/1", slots: 12, serviceMs }], words: { maxDelay } });
    for (let i = 0; i < 1200; i += 1) {
      bench.ask([i]);
      await bench.settle();
      await bench.pass(0.25);
    }
    const late = bench.env.events.flatMap((event) => (event.type === "batch-sent" ? [event] : [])).slice(-50);
    const waited = Math.max(...late.map(({ waitedMs }) => waitedMs));
    return { rows: late.reduce((sum, { rows }) => sum + rows, 0) / late.length, waited };
  };

  it("happens only where the config allows it, and then not for long", async () => {
    const [without, with5] = [await meanRows("0ms"), await meanRows("5ms")];
    expect(without).toEqual({ rows: 1, waited: 0 });
    expect(with5.rows).toBeGreaterThan(without.rows);
    expect(with5.waited).toBeGreaterThan(0);
    expect(with5.waited).toBeLessThanOrEqual(5.5);
  });
});
