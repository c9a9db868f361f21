// Whether an experiment's units are split as they should be: a sequential test, which may be looked at after every unit.

export interface SampleRatio {
  /** Counts one unit of a variant. */
  add(variant: string): void;
  /**
   * How likely so bad a split is by chance at any moment so far: at most a share `p` of all right splits ever shows a value
   * of `p` or below, however often one looks.
   */
  readonly p: number;
  readonly counts: ReadonlyMap<string, number>;
}

/** The weight of the expected split in the prior: splits that are off by some hundredths are found soonest. */
const CONCENTRATION = 100;

/**
 * The Bayes factor of any split, under a Dirichlet prior around the expected one, against the expected split; its inverse
 * bounds the chance of being wrong at every moment (Ville's inequality). Source: Lindon and Malek, Anytime-valid inference
 * for multinomial count data, 2022.
 *
 * @param shares the share that each variant should have; together 1
 */
export function openSampleRatio(shares: ReadonlyMap<string, number>): SampleRatio {
  const counts = new Map<string, number>();
  let total = 0;
  let logFactor = 0;
  let most = 0;
  return {
    add(variant) {
      const share = shares.get(variant) ?? 0;
      const count = counts.get(variant) ?? 0;
      // the predictive chance of this variant under the prior, against the expected one
      logFactor += Math.log((CONCENTRATION * share + count) / (CONCENTRATION + total)) - Math.log(share);
      counts.set(variant, count + 1);
      total += 1;
      // a variant that should have nobody: no split can be further off
      if (share === 0) logFactor = Number.POSITIVE_INFINITY;
      most = Math.max(most, logFactor);
    },
    get p() {
      return Math.exp(-most);
    },
    counts,
  };
}
