import { expect, test } from "vitest";
import { limitWords } from "../../../../policies/limit/words.ts";

const RATE = { text: "200/s", requests: 200, perMs: 1000, burst: 200 };

test("one limit is written as it is said", () => {
  expect(limitWords.parse({ rate: "200/s", by: "tenant" })).toEqual({
    rates: [{ ...RATE, by: "tenant" }],
    concurrency: undefined,
  });
  expect(limitWords.parse({ concurrency: 20, queue: 0 })).toEqual({ rates: [], concurrency: { limit: 20, queue: 0 } });
  expect(limitWords.parse({ rate: "200/s", concurrency: 20 })).toEqual({
    rates: [{ ...RATE, by: "model" }],
    concurrency: { limit: 20, queue: 100 },
  });
});

test("several limits are a list, and all of them hold", () => {
  const { rates, concurrency } = limitWords.parse([
    { rate: "200/s", by: { header: "X-Api-Key" }, burst: 50 },
    { rate: "1000000/d", by: "peer" },
    { concurrency: 4 },
  ]);
  expect(rates).toEqual([
    { ...RATE, by: { header: "x-api-key" }, burst: 50 },
    { text: "1000000/d", requests: 1e6, perMs: 86_400_000, burst: 1e6, by: "peer" },
  ]);
  expect(concurrency).toEqual({ limit: 4, queue: 100 });
});

test.each([
  [{ rate: 200 }, "expected requests and a period (s, m, h or d), such as 200/s or 1000000/d, got 200 at rate"],
  [{ rate: "0/s" }, 'expected requests and a period (s, m, h or d), such as 200/s or 1000000/d, got "0/s" at rate'],
  [
    { rate: "5/week" },
    'expected requests and a period (s, m, h or d), such as 200/s or 1000000/d, got "5/week" at rate',
  ],
  [{ rate: "5/s", by: "user" }, 'expected model, tenant, peer or {header: x-api-key}, got "user" at by'],
  [{ by: "tenant" }, "expected by only beside rate"],
  [{ rate: "5/s", queue: 3 }, "expected queue only beside concurrency"],
  [{ concurrency: 5, burst: 3 }, "expected burst only beside rate"],
  [{}, "expected rate or concurrency, got neither"],
  [[], "expected at least one limit, got an empty list"],
  ["200/s", 'expected a map such as {rate: 200/s, by: tenant}, or a list of such, got "200/s"'],
  [[{ concurrency: 5 }, { concurrency: 6 }], "expected concurrency once, got it twice"],
])("%j is refused: %s", (written, message) => {
  const parsed = limitWords.safeParse(written);
  expect(parsed.error?.issues.map((issue) => issue.message)).toEqual([message]);
});
