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

/** What was decided, or how to put it into words: then it costs nothing where nobody reads it. */
export type Said = string | (() => string);

export interface DecisionTrace {
  /** All of them in words, which are found only now. */
  readonly decisions: readonly Decision[];
  readonly facts: Readonly<Facts>;
  /** @param said what is told later must be told of this moment: it may look at nothing that changes */
  decide(policy: string, said: Said): void;
  /** Repeats all decisions so far to another trace, such as that of somebody whom the call was made for. */
  repeatTo(other: Pick<DecisionTrace, "decide">): void;
  learn(facts: Facts): void;
}

export function openTrace(): DecisionTrace {
  return new Trace();
}

/** A class, since one is opened for each call: a getter in an object of its own takes longer than the rest of it. */
class Trace implements DecisionTrace {
  readonly facts: Facts = {};
  readonly #decided: { readonly policy: string; readonly said: Said }[] = [];

  get decisions(): readonly Decision[] {
    return this.#decided.map(({ policy, said }) => ({ policy, said: typeof said === "string" ? said : said() }));
  }

  decide(policy: string, said: Said): void {
    this.#decided.push({ policy, said });
  }

  repeatTo(other: Pick<DecisionTrace, "decide">): void {
    for (const { policy, said } of this.#decided) other.decide(policy, said);
  }

  learn(facts: Facts): void {
    Object.assign(this.facts, facts);
  }
}
