// Compares arms in one run: they take turns round by round, so that whatever else the machine does meets all of them.

import { type Spread, spread } from "./stats.ts";

/** One of the things compared. */
export interface Arm {
  readonly name: string;
  /** Measures once: a rate, so that more is better. */
  measure(): Promise<number>;
}

export interface Plan {
  readonly title: string;
  /** What the rates count: `rows/s`. */
  readonly unit: string;
  readonly rounds: number;
  /** The first is the peer that the others are compared with. */
  readonly arms: readonly [Arm, ...Arm[]];
}

export interface ArmResult extends Spread {
  readonly name: string;
  /** One a round, in the order measured. */
  readonly values: readonly number[];
  /** This arm's rate by the peer's of the same round; absent for the peer. */
  readonly ratio?: Spread & { readonly values: readonly number[] };
}

export interface Comparison {
  readonly title: string;
  readonly unit: string;
  readonly rounds: number;
  readonly arms: readonly ArmResult[];
}

/** Measures A B A B ... after one round that does not count. */
export async function compare(plan: Plan): Promise<Comparison> {
  const measured = plan.arms.map(() => [] as number[]);
  for (let round = -1; round < plan.rounds; round += 1) {
    for (const [i, arm] of plan.arms.entries()) {
      const rate = await arm.measure();
      if (!(rate > 0)) throw new Error(`${plan.title}, ${arm.name}: expected a rate above 0, got ${rate}`);
      if (round >= 0) measured[i]?.push(rate);
    }
  }
  return comparisonOf(
    plan,
    plan.arms.map(({ name }, i) => ({ name, values: measured[i] ?? [] })),
  );
}

/** One comparison of several with the same arms, such as those between programs that were started anew for each. */
export function joined(comparisons: readonly [Comparison, ...Comparison[]]): Comparison {
  const [first] = comparisons;
  return comparisonOf(
    { ...first, rounds: comparisons.reduce((all, { rounds }) => all + rounds, 0) },
    first.arms.map(({ name }, i) => ({ name, values: comparisons.flatMap(({ arms }) => arms[i]?.values ?? []) })),
  );
}

interface Measured {
  readonly name: string;
  readonly values: readonly number[];
}

function comparisonOf(
  { title, unit, rounds }: Pick<Comparison, "title" | "unit" | "rounds">,
  measured: readonly Measured[],
): Comparison {
  const peer = measured[0]?.values ?? [];
  const arms = measured.map(({ name, values }, i): ArmResult => {
    const own = { name, ...spread(values), values };
    if (i === 0) return own;
    const ratios = values.map((value, round) => value / (peer[round] ?? Number.NaN));
    return { ...own, ratio: { ...spread(ratios), values: ratios } };
  });
  return { title, unit, rounds, arms };
}
