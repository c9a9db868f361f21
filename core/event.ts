// What may happen, as one closed union: policies and backends say it, `gateway/metrics.ts` alone decides how it counts.

import type { Code, Origin } from "./error.ts";
import type { CacheState } from "./trace.ts";

/** Labels come from the config (model, version, backend), never from a request. Times are milliseconds. */
export type Event =
  | {
      readonly type: "request-done";
      /** The logical model's name; undefined when no such model is configured. */
      readonly model: string | undefined;
      readonly version: string | undefined;
      readonly backend: string | undefined;
      readonly protocol: string;
      readonly code: "ok" | Code;
      readonly origin: Origin | undefined;
      readonly tookMs: number;
    }
  | {
      readonly type: "run-done";
      readonly backend: string;
      readonly model: string;
      readonly version: string;
      /** Waiting for a worker. */
      readonly queuedMs: number;
      /** Inside the model. */
      readonly ranMs: number;
    }
  | { readonly type: "queue-full"; readonly backend: string; readonly model: string }
  | {
      readonly type: "worker-started" | "worker-ready";
      readonly backend: string;
      readonly worker: number;
    }
  | {
      readonly type: "worker-lost";
      readonly backend: string;
      readonly worker: number;
      readonly reason: "exited" | "crashed" | "run-timeout" | "start-failed";
    }
  | {
      readonly type: "model-state";
      readonly backend: string;
      readonly model: string;
      readonly version: string;
      readonly state: ModelState;
      readonly reason: string | undefined;
    }
  /** A server of a backend answers its checks from now on, or fails them, or is no endpoint of the backend any longer. */
  | {
      readonly type: "endpoint-state";
      readonly backend: string;
      /** The endpoint's id: `backend/address`. */
      readonly endpoint: string;
      readonly state: "healthy" | "unhealthy" | "gone";
      readonly reason: string | undefined;
    }
  /** The breaker before an endpoint is in another state, or is no more. */
  | {
      readonly type: "breaker-state";
      readonly backend: string;
      /** The endpoint's id: `backend/address`. */
      readonly endpoint: string;
      /** The model whose own breaker it is; undefined where it is that of all models there. */
      readonly model: string | undefined;
      readonly state: "closed" | "open" | "half-open" | "gone";
      /** Why it opened. */
      readonly cause: "error-rate" | "consecutive" | "probe" | "by-hand" | undefined;
    }
  /** An endpoint that was much worse than its pool gets no work for a while, or gets it again, or is no more. */
  | {
      readonly type: "ejection-state";
      readonly backend: string;
      readonly endpoint: string;
      readonly model: string | undefined;
      readonly state: "ejected" | "returned" | "gone";
      /** What it was ejected for. */
      readonly cause: "success" | "time" | undefined;
    }
  /** A unit was seen for the first time in a variant of an experiment. */
  | { readonly type: "exposure"; readonly experiment: string; readonly variant: string }
  /** Records of exposures that could not be written. */
  | { readonly type: "exposures-dropped"; readonly count: number }
  /** How likely the split of an experiment's units is by chance, valid however often it is looked at. */
  | { readonly type: "sample-ratio"; readonly experiment: string; readonly p: number }
  /** What came of one request that a shadow might have copied. */
  | {
      readonly type: "shadow";
      readonly model: string;
      readonly shadow: string;
      /** `within-noise`: beyond the tolerance, yet no further than the model is from itself. */
      readonly result: "same" | "different" | "within-noise" | "failed" | "skipped";
    }
  /** One call to a backend with the rows of one or more requests. */
  | {
      readonly type: "batch-sent";
      readonly model: string;
      readonly version: string;
      readonly backend: string;
      /** Without padding. */
      readonly rows: number;
      readonly requests: number;
      /** How long its oldest member had waited. */
      readonly waitedMs: number;
      readonly ranMs: number;
      /** Why it was let go when it was. */
      readonly reason: "slot-free" | "full" | "deadline" | "preferred" | "delay";
    }
  /** A request was refused because its batch would have come too late. */
  | { readonly type: "batch-refused"; readonly model: string; readonly version: string }
  /** One ask of the store that replicas share; `late` came after its time-out, `skipped` was never sent. */
  | { readonly type: "store-asked"; readonly result: "answered" | "failed" | "late" | "skipped" }
  /** A value in the shared store that is not what had been written there: read as if it were not there. */
  | { readonly type: "store-spoiled" }
  /** An answer that the shared store did not keep. */
  | { readonly type: "store-refused"; readonly reason: "full" | "too-large" | "other" }
  /** A call failed and was sent again, or was not because the budget was exhausted. */
  | {
      readonly type: "retry";
      readonly model: string;
      readonly version: string;
      /** Of the fault. */
      readonly code: Code;
      readonly result: "sent" | "budget";
    }
  /** A second copy of a request that was late answered first or did not, or was not sent for want of budget. */
  | {
      readonly type: "hedge";
      readonly model: string;
      readonly version: string;
      readonly result: "won" | "lost" | "budget";
    }
  /** A request was refused because no answer of late has come as soon as its deadline. */
  | { readonly type: "deadline-refused"; readonly model: string; readonly version: string }
  /** What the cache did for one request. */
  | { readonly type: "cache-asked"; readonly model: string; readonly version: string; readonly state: CacheState }
  /** What a model's answers take in memory now. */
  | { readonly type: "cache-size"; readonly model: string; readonly bytes: number; readonly entries: number }
  /**
   * An answer went for another, found no room, or was another question's under the same first digest (`collision`).
   */
  | {
      readonly type: "cache-dropped";
      readonly model: string;
      readonly why: "evicted" | "refused" | "collision";
    }
  /** How many calls may be in one place at once from now on. */
  | { readonly type: "limit"; readonly of: LimitPlace; readonly limit: number }
  /** How many wait now for their turn within a limit. */
  | { readonly type: "limit-queue"; readonly of: LimitPlace; readonly waiting: number }
  /** A limit refused a call, or let down one that had waited. */
  | { readonly type: "shed"; readonly of: LimitPlace; readonly reason: ShedReason }
  /** A caller has sent more than its share. */
  | {
      readonly type: "rate-limited";
      /** Undefined where the rate holds over all models. */
      readonly model: string | undefined;
      /** What tells callers apart, in the word of the config: `tenant`, `peer`, a header's name ... */
      readonly by: string;
    }
  /** What came of asking an endpoint that is new or has come back what others have answered. */
  | {
      readonly type: "warm-up";
      readonly backend: string;
      readonly endpoint: string;
      readonly model: string;
      readonly result: "warm" | "failed";
    }
  /** The process has too much to do from now on, so that new requests are refused, or no longer. */
  | { readonly type: "process-overload"; readonly of: "memory" | "lag"; readonly state: "begins" | "ends" }
  /** A request was refused because the process has too much to do. */
  | { readonly type: "process-shed"; readonly of: "memory" | "lag" }
  /** Something was thrown that nobody caught. */
  | { readonly type: "process-fault"; readonly ends: "request" | "process" }
  /** A client's connection was closed at once: there are as many as the process may have. */
  | { readonly type: "process-connection"; readonly listener: string }
  /** A run whose caller had gone before it ended: work that could not be aborted. */
  | { readonly type: "wasted"; readonly backend: string; readonly model: string; readonly ranMs: number };

/** The states of a model's version in a repository. Source: Triton's model repository extension. */
export type ModelState = "loading" | "ready" | "unloading" | "unavailable";

/** What a limit is the limit of: one endpoint for all models there, or one model. */
export type LimitPlace =
  | { readonly at: "endpoint"; readonly backend: string; readonly endpoint: string }
  | { readonly at: "model"; readonly model: string };

/**
 * Why a limit refused a call. `full`: as many wait as may, or nobody may. `displaced`: a better one took its place in the
 * queue. `late`: the time left could not suffice. `overload`: the queue stood, and it had waited too long. `unread`: most of its
 * kind were refused, and it was not even read.
 */
export type ShedReason = "full" | "displaced" | "late" | "overload" | "unread";
