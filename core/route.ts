// A model's route as the config writes it: a finite tree of routers whose leaves are versions and labels.

/** What stands where a router has a branch: the name of a version or label, or another router with its options. */
export type Branch =
  | { readonly kind: "leaf"; readonly name: string }
  | { readonly kind: "router"; readonly word: string; readonly options: unknown };

/** Something in the options of a router, and the way to it through the words of the config. */
export interface Placed<T> {
  readonly path: readonly (string | number)[];
  readonly it: T;
}

/** The branch as a person reads it: a leaf's name, or a router's word in brackets. */
export function branchName(branch: Branch): string {
  return branch.kind === "leaf" ? branch.name : `(${branch.word})`;
}

/** An experiment by its name. Two of one name must be the same split, so that a unit has one variant wherever it comes. */
export interface Experiment {
  readonly name: string;
  /** Equal for equal splits. */
  readonly split: string;
}

/** A unit (a user, a session) met a variant of an experiment. */
export interface Exposure {
  readonly model: string;
  readonly experiment: string;
  readonly unit: string;
  /** A number that tells the experiment's units apart, of 48 bits. */
  readonly hash: number;
  readonly variant: string;
  /** The share of all units that each variant should have, by its name; together 1. */
  readonly shares: ReadonlyMap<string, number>;
}

/** What a router has found out about its branches; `facts` is plain JSON. */
export interface RouteReport {
  readonly policy: string;
  readonly name: string;
  readonly facts: unknown;
}
