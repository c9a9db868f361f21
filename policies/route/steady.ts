// Takes turns by weight without dice: at any prefix no branch is a whole turn from its share.

/** Turns among branches by their index. */
export interface Turns {
  /** Whose turn is next; nothing moves. */
  peek(): number;
  /** Takes the next turn. */
  take(): number;
}

/**
 * Turns in proportion to whole weights of at least 0, one of them above 0. Of the branches whose share of the turns is
 * nearly due, the one is taken that would be overdue first. After n turns each has had n times its share, give or take
 * 1 - 1/(2k - 2) for k branches; the largest-deficit rule of smooth weighted round robin drifts further with many
 * branches. All numbers are whole, so nothing is lost however long it runs. Source: Tijdeman, The chairman assignment
 * problem, 1980.
 */
export function openTurns(weights: readonly number[]): Turns {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const had = weights.map(() => 0);
  const spread = Math.max(1, 2 * weights.filter((weight) => weight > 0).length - 2);
  let turn = 0;
  const peek = () => {
    let best = 0;
    let bestDue = Number.POSITIVE_INFINITY;
    for (let i = 0; i < weights.length; i += 1) {
      const weight = weights[i] ?? 0;
      if (weight === 0) continue;
      // times the total, so that it is whole: what it should have had after this turn, less what it had
      const owed = (turn + 1) * weight - (had[i] ?? 0) * total;
      if (spread * owed < total) continue;
      const due = (spread * (total - owed) - total) / (spread * weight);
      if (due < bestDue) {
        best = i;
        bestDue = due;
      }
    }
    return bestDue === Number.POSITIVE_INFINITY ? weights.findIndex((weight) => weight > 0) : best;
  };
  return {
    peek,
    take() {
      const taken = peek();
      had[taken] = (had[taken] ?? 0) + 1;
      turn += 1;
      // a full cycle leaves nobody owing: counting starts again, and the numbers stay small
      if (turn === total) {
        had.fill(0);
        turn = 0;
      }
      return taken;
    },
  };
}
