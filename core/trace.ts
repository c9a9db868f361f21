// What was decided about one call, and what it came to: read by explain, the log line and the metrics.

/** One decision, in the policy's own words: `{policy: "canary", said: "next 5% bucket 312 < 500"}`. */
export interface Decision {
  readonly policy: string;
  readonly said: string;
}

/** What the cache did for one request: `stale` is an answer past its time, `coalesced` one that an equal request asked for. */
export type CacheState = "hit" | "miss" | "stale" | "coalesced" | "bypass";

/** Facts about one caller's way; they never enter an InferResponse, which callers may share. */
export interface Facts {
  version?: string;
  backend?: string;
  endpoint?: string;
  /** The branch that answered in place of the first choice; `default answer` for one that no model gave. */
  fallback?: string;
  /** Time spent waiting for a slot, in milliseconds. */
  queuedMs?: number;
  /** Time spent in the model itself, in milliseconds, where the backend tells it. */
  ranMs?: number;
  /** Absent where the model has no cache. */
  cache?: CacheState;
  /** How old a kept answer is, in milliseconds. */
  ageMs?: number;
  /** Rows that the model was asked for, where rows are looked up one by one and the others were kept or asked by somebody else. */
  askedRows?: number;
  /** Headers of the backend's answer that the config lets the caller have, by names in lower case. */
  headers?: ReadonlyMap<string, string>;
}

export interface DecisionTrace {
  readonly decisions: readonly Decision[];
  readonly facts: Readonly<Facts>;
  decide(policy: string, said: string): void;
  learn(facts: Facts): void;
}

export function openTrace(): DecisionTrace {
  const decisions: Decision[] = [];
  const facts: Facts = {};
  return {
    decisions,
    facts,
    decide(policy, said) {
      decisions.push({ policy, said });
    },
    learn(learned) {
      Object.assign(facts, learned);
    },
  };
}
