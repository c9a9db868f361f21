// More requests than the backend can take: how many are answered in time, beside the best that it reaches with fewer.

import { describe, expect, it } from "vitest";
import { openBench } from "../../support/batch.ts";
import { seededRandom } from "../../support/fake-env.ts";

/** l(b) = 0.2*b + 5 ms, batches of at most 64: 3.6 rows a millisecond at most. */
const serviceMs = (rows: number) => 0.2 * rows + 5;
const CAPACITY = 64 / serviceMs(64);
const DEADLINE_MS = 25;
const WARM_MS = 500;
const SPAN_MS = 1500;

/** Answers in time a millisecond under so much load, as a share of the capacity. Arrivals are Poisson's. */
async function goodput(load: number, words: unknown = {}): Promise<number> {
  const random = seededRandom(5);
  const bench = openBench({
    places: [{ id: "b/1", serviceMs }],
    words: { maxRows: 64, maxQueue: 4096, ...(words as object) },
  });
  let good = 0;
  let next = 0;
  for (let now = 0; now < WARM_MS + SPAN_MS; now += 0.5) {
    for (; next < now; next += -Math.log(1 - random()) / (load * CAPACITY)) {
      const asking = bench.ask([1], { timeoutMs: DEADLINE_MS });
      const counts = now >= WARM_MS;
      void asking.answer.then(
        () => {
          if (counts) good += 1;
        },
        () => {},
      );
    }
    await bench.pass(0.5);
  }
  return good / SPAN_MS / CAPACITY;
}

describe("answers in time", () => {
  it("are at 1.5 times the capacity nearly as many as at the best load below it", { timeout: 120_000 }, async () => {
    const below: number[] = [];
    for (const load of [0.6, 0.7, 0.8]) below.push(await goodput(load));
    const over = await goodput(1.5);
    const unbatched = await goodput(1.5, { maxRows: 1 });
    expect(over / Math.max(...below)).toBeGreaterThan(0.9);
    // each alone there would be time for next to nobody
    expect(unbatched).toBeLessThan(0.1);
  });
});
