// A figure: one question about speed, how it is answered, and what the answer is held against.

import type { Comparison } from "./harness.ts";

/** What a finding should be. */
export interface Goal {
  readonly what: string;
  readonly want: { readonly atLeast: number } | { readonly atMost: number };
  readonly got: number;
}

/** A line of a table without arms: its name and its numbers by column, units in the column's name. */
export interface Row {
  readonly name: string;
  readonly cells: Readonly<Record<string, number>>;
}

export interface Finding {
  readonly title: string;
  readonly comparison?: Comparison;
  readonly rows?: readonly Row[];
  readonly goals: readonly Goal[];
  /** What a reader must know to judge the numbers: what was checked, what was left out. */
  readonly notes: readonly string[];
}

/** How long to measure. */
export interface Effort {
  readonly quick: boolean;
  readonly rounds: number;
  /** Stretches or shrinks every time span. */
  readonly scale: number;
}

export interface Figure {
  /** The letter in the issue that asked for it. */
  readonly letter: string;
  readonly name: string;
  readonly question: string;
  /** Says what it does as it goes through `say`. */
  measure(effort: Effort, say: (line: string) => void): Promise<readonly Finding[]>;
}

export function isMet({ want, got }: Goal): boolean {
  return "atLeast" in want ? got >= want.atLeast : got <= want.atMost;
}
