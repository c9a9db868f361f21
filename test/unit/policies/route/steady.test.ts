import { describe, expect, it } from "vitest";
import { openTurns } from "../../../../policies/route/steady.ts";
import { seededRandom } from "../../../support/fake-env.ts";

/** The furthest that any branch is from its share at any prefix of the turns. */
function worstDrift(weights: readonly number[], turns: number, take: () => number): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const had = weights.map(() => 0);
  let worst = 0;
  for (let n = 1; n <= turns; n += 1) {
    const taken = take();
    had[taken] = (had[taken] ?? 0) + 1;
    for (const [i, weight] of weights.entries()) {
      worst = Math.max(worst, Math.abs((n * weight) / total - (had[i] as number)));
    }
  }
  return worst;
}

/** Smooth weighted round robin as it is usually written: whoever is owed most. */
function largestDeficit(weights: readonly number[]): () => number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const current = weights.map(() => 0);
  return () => {
    for (const [i, weight] of weights.entries()) current[i] = (current[i] as number) + weight;
    const best = current.indexOf(Math.max(...current));
    current[best] = (current[best] as number) - total;
    return best;
  };
}

function randomWeights(random: () => number): readonly number[] {
  const count = 2 + Math.floor(random() * 14);
  const weights = Array.from({ length: count }, () => (random() < 0.2 ? 0 : 1 + Math.floor(random() * 100)));
  return [random() < 0.5 ? 300 : 7, ...weights];
}

describe("turns by weight", () => {
  it.each([[[9, 1]], [[1, 1, 1]], [[5, 1, 1]], [[0, 3, 0]], [[97, 2, 1]], [[999_999, 1]]])(
    "are at no prefix of 10,000 a whole turn off: %j",
    (weights) => {
      expect(worstDrift(weights, 10_000, openTurns(weights).take)).toBeLessThan(1);
    },
  );

  it("are at no prefix a whole turn off, for 300 sets of weights with up to 16 branches", () => {
    const random = seededRandom(7);
    for (let run = 0; run < 300; run += 1) {
      const weights = randomWeights(random);
      expect(worstDrift(weights, 1_000, openTurns(weights).take)).toBeLessThan(1);
    }
  });

  it("are exact after a full cycle", () => {
    const turns = openTurns([5, 3, 2]);
    const had = [0, 0, 0];
    for (let n = 0; n < 10; n += 1) had[turns.take()]! += 1;
    expect(had).toEqual([5, 3, 2]);
  });

  it("do not move when they are looked at", () => {
    const turns = openTurns([3, 2]);
    for (let n = 0; n < 20; n += 1) {
      const next = turns.peek();
      expect(turns.peek()).toBe(next);
      expect(turns.take()).toBe(next);
    }
  });

  it("are told from the usual rule by this very check, which the usual rule fails with many branches", () => {
    const random = seededRandom(7);
    let worst = 0;
    for (let run = 0; run < 3_000 && worst <= 1; run += 1) {
      const weights = randomWeights(random);
      worst = Math.max(worst, worstDrift(weights, 1_000, largestDeficit(weights)));
    }
    expect(worst).toBeGreaterThan(1);
  });
});
