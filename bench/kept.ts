// The gateway with a cache before models that answer with their input: what its process is asked for and says.

/** The model that answers at once. */
export const KEPT_MODEL = "kept";
/** The model that takes `SLOW_MS` for an answer. */
export const SLOW_MODEL = "slow";
export const SLOW_MS = 4_000;

export interface KeptSetup {
  /** `info` writes one line a request, as a gateway in use does. */
  readonly log: "info" | "silent";
}

/** What was asked of one model since the start. */
export interface KeptCounts {
  /** Of the model itself. */
  readonly calls: number;
  /** Requests by what the cache did for them. */
  readonly states: Readonly<Record<string, number>>;
}

/** What one look-up takes, in microseconds. */
export interface LookUp {
  readonly digestUs: number;
  readonly findUs: number;
  readonly bothUs: number;
  /** Of a body that was decoded before. */
  readonly repeatUs: number;
}
