// The buckets of one version: what waits in each and what was learned of each; those not asked for lately are forgotten.

import { type Learner, openLearner } from "./learn.ts";
import { type Line, openLine } from "./line.ts";
import { openPace, type Pace } from "./pace.ts";

/** Requests whose rows may be joined. */
export interface Bucket {
  readonly line: Line;
  readonly pace: Pace;
  /** What is known of the bucket at an endpoint. */
  learner(endpoint: string): Learner;
}

export interface Buckets {
  of(key: string): Bucket;
  /** Those in which somebody waits. */
  waiting(): readonly Bucket[];
  /** How many are kept. */
  readonly size: number;
}

/** Buckets that are remembered when nobody waits in them, and endpoints in each. */
const MOST_BUCKETS = 256;
const MOST_ENDPOINTS = 64;

export function openBuckets(maxRows: number): Buckets {
  const buckets = new Map<string, Bucket>();
  let last: { readonly key: string; readonly bucket: Bucket } | undefined;
  const forget = () => {
    for (const [key, bucket] of buckets) {
      if (buckets.size <= MOST_BUCKETS) return;
      // the one that was just asked for is about to be waited in
      if (bucket.line.requests === 0 && bucket !== last?.bucket) buckets.delete(key);
    }
  };
  return {
    of(key) {
      if (last?.key === key) return last.bucket;
      const bucket = buckets.get(key) ?? openBucket(maxRows);
      // the one asked for last is the last to be forgotten
      buckets.delete(key);
      buckets.set(key, bucket);
      last = { key, bucket };
      if (buckets.size > MOST_BUCKETS) forget();
      return bucket;
    },
    waiting: () => [...buckets.values()].filter((bucket) => bucket.line.requests > 0),
    get size() {
      return buckets.size;
    },
  };
}

function openBucket(maxRows: number): Bucket {
  const learners = new Map<string, Learner>();
  let last: { readonly endpoint: string; readonly learner: Learner } | undefined;
  return {
    line: openLine(),
    pace: openPace(),
    learner(endpoint) {
      if (last?.endpoint === endpoint) return last.learner;
      const learner = learners.get(endpoint) ?? openLearner(maxRows);
      learners.delete(endpoint);
      learners.set(endpoint, learner);
      const [first] = learners.keys();
      if (learners.size > MOST_ENDPOINTS && first !== undefined) learners.delete(first);
      last = { endpoint, learner };
      return learner;
    },
  };
}
