// How often and how long each version of each model has answered, counted where requests pass, for local and remote models alike.

import type { Clock } from "../core/env.ts";
import { asInferError } from "../core/error.ts";
import type { ModelMetadata } from "../core/model.ts";
import type { Timed, VersionStatistics } from "../core/operator.ts";
import type { ResolvedModel } from "../core/request.ts";
import { type InferRequest, whenEnded } from "../core/request.ts";
import type { Layer } from "../core/service.ts";
import type { Facts } from "../core/trace.ts";

export interface Statistics {
  /** The two places of one version's way that are counted. */
  of(model: ResolvedModel, signature: (signal: AbortSignal) => Promise<ModelMetadata>): Counted;
  /** What has been counted so far: zeros where nothing has. */
  read(model: ResolvedModel): VersionStatistics;
  close(): Promise<void>;
}

/** The layers that count one version. */
export interface Counted {
  /** Outermost at the leaf: each request once. */
  readonly requests: Layer;
  /** Right above the balancer: each call to an endpoint once. */
  readonly executions: Layer;
}

/** Versions beyond this are not remembered: the one that was first counted goes. */
const MAX_VERSIONS = 10_000;
/** Sizes of batches beyond this are not told apart: they are left out of the list. */
const MAX_SIZES = 256;

/** Counts from now on. It outlives a change of the config. */
export function openStatistics(clock: Clock): Statistics {
  const counts = new Map<string, Counts>();
  const keyOf = ({ name, version }: ResolvedModel) => JSON.stringify([name, version]);
  const countsOf = (model: ResolvedModel): Counts => {
    const key = keyOf(model);
    const known = counts.get(key) ?? openCounts();
    if (!counts.has(key)) {
      const [oldest] = counts.keys();
      if (counts.size >= MAX_VERSIONS && oldest !== undefined) counts.delete(oldest);
      counts.set(key, known);
    }
    return known;
  };
  return {
    of(model, signature) {
      const held = countsOf(model);
      return {
        requests: countRequests(held, clock, openRows(signature)),
        executions: countExecutions(held, clock, openRows(signature)),
      };
    },
    read: (model) => readCounts(model, counts.get(keyOf(model)) ?? openCounts()),
    close: async () => {},
  };
}

interface Sum {
  count: number;
  ms: number;
}

interface Counts {
  lastMs: number;
  inferences: number;
  executions: number;
  readonly success: Sum;
  readonly fail: Sum;
  readonly queue: Sum;
  readonly compute: Sum;
  readonly cacheHit: Sum;
  readonly cacheMiss: Sum;
  readonly batches: Map<number, Sum>;
}

function openCounts(): Counts {
  const sum = (): Sum => ({ count: 0, ms: 0 });
  return {
    lastMs: 0,
    inferences: 0,
    executions: 0,
    success: sum(),
    fail: sum(),
    queue: sum(),
    compute: sum(),
    cacheHit: sum(),
    cacheMiss: sum(),
    batches: new Map(),
  };
}

function add(sum: Sum, ms: number): void {
  sum.count += 1;
  sum.ms += Math.max(0, ms);
}

type Rows = (request: InferRequest, then: (rows: number) => void) => void;

function countRequests(counts: Counts, clock: Clock, rowsOf: Rows): Layer {
  return (next) => async (request, call) => {
    if (call.purpose === "explain") return next(request, call);
    const began = clock.now();
    counts.lastMs = clock.wall();
    const done = (error: unknown) => {
      const tookMs = clock.now() - began;
      // a request that is wrong in itself never reached the model
      if (error !== undefined && asInferError(error).origin === "client") return;
      add(error === undefined ? counts.success : counts.fail, tookMs);
      if (error !== undefined) return;
      const { cache } = call.trace.facts;
      // not run for this one
      if (cache === "hit" || cache === "stale" || cache === "coalesced") {
        add(counts.cacheHit, tookMs);
        return;
      }
      if (cache !== undefined) add(counts.cacheMiss, tookMs);
      const { queuedMs, computeMs } = timesOf(call.trace.facts, tookMs);
      add(counts.queue, queuedMs);
      add(counts.compute, computeMs);
      rowsOf(request, (rows) => {
        counts.inferences += call.trace.facts.askedRows ?? rows;
      });
    };
    try {
      const reply = await next(request, call);
      if (reply.kind === "stream") return { kind: "stream", parts: whenEnded(reply.parts, done) };
      done(undefined);
      return reply;
    } catch (error) {
      done(error);
      throw error;
    }
  };
}

function countExecutions(counts: Counts, clock: Clock, rowsOf: Rows): Layer {
  return (next) => async (request, call) => {
    const began = clock.now();
    const reply = await next(request, call);
    if (call.purpose === "explain") return reply;
    counts.executions += 1;
    const { computeMs } = timesOf(call.trace.facts, clock.now() - began);
    rowsOf(request, (rows) => {
      const known = counts.batches.get(rows);
      if (known === undefined && counts.batches.size >= MAX_SIZES) return;
      const sum = known ?? { count: 0, ms: 0 };
      counts.batches.set(rows, sum);
      add(sum, computeMs);
    });
    return reply;
  };
}

/** What a backend does not tell of its own time counts as the model's. */
function timesOf({ queuedMs = 0, ranMs }: Facts, tookMs: number) {
  return { queuedMs, computeMs: ranMs ?? tookMs - queuedMs };
}

/** The rows of a request, known at once after the signature has been told once; 1 where nobody can tell. */
function openRows(signature: (signal: AbortSignal) => Promise<ModelMetadata>): Rows {
  let batches: boolean | undefined;
  const rows = ({ inputs: [first] }: InferRequest, isBatch: boolean) => (isBatch ? (first?.shape[0] ?? 1) : 1);
  return (request, then) => {
    if (batches !== undefined) {
      then(rows(request, batches));
      return;
    }
    // nobody waits for it: what asks servers has limits of its own
    signature(new AbortController().signal).then(
      ({ batchDim }) => {
        batches = batchDim === 0;
        then(rows(request, batches));
      },
      () => then(1),
    );
  };
}

function readCounts({ name, version }: ResolvedModel, counts: Counts): VersionStatistics {
  const timed = ({ count, ms }: Sum): Timed => ({ count, ns: Math.round(ms * 1e6) });
  const { success, fail, queue, compute, cacheHit, cacheMiss } = counts;
  return {
    name,
    version,
    lastInferenceMs: Math.round(counts.lastMs),
    inferences: counts.inferences,
    executions: counts.executions,
    success: timed(success),
    fail: timed(fail),
    queue: timed(queue),
    compute: timed(compute),
    cacheHit: timed(cacheHit),
    cacheMiss: timed(cacheMiss),
    batches: new Map([...counts.batches].sort(([a], [b]) => a - b).map(([rows, sum]) => [rows, timed(sum)])),
  };
}
