// The statistics of Triton: as JSON, and as the message of gRPC.

import type { Timed, VersionStatistics } from "../../../core/operator.ts";
import { STATISTICS } from "../../../wire/oip-proto-service.ts";

const NONE: Timed = { count: 0, ns: 0 };

/**
 * `{"model_stats": [...]}` with every member that perf_analyzer reads unchecked. The gateway sees a request from outside: all
 * of a run counts as `compute_infer`, and reading and writing tensors there as no time, as often.
 */
export function statisticsJson(models: readonly VersionStatistics[]) {
  return { model_stats: models.map(oneJson) };
}

function oneJson(one: VersionStatistics) {
  const untold: Timed = { count: one.compute.count, ns: 0 };
  return {
    name: one.name,
    version: one.version,
    last_inference: one.lastInferenceMs,
    inference_count: one.inferences,
    execution_count: one.executions,
    inference_stats: {
      success: one.success,
      fail: one.fail,
      queue: one.queue,
      compute_input: untold,
      compute_infer: one.compute,
      compute_output: untold,
      cache_hit: one.cacheHit,
      cache_miss: one.cacheMiss,
    },
    response_stats: {},
    batch_stats: [...one.batches].map(([rows, time]) => ({
      batch_size: rows,
      compute_input: { ...NONE, count: time.count },
      compute_infer: time,
      compute_output: { ...NONE, count: time.count },
    })),
    memory_usage: [],
  };
}

/** ModelStatisticsResponse. */
export function statisticsMessage(models: readonly VersionStatistics[]): Uint8Array {
  return STATISTICS.encode({ model_stats: models.map(oneMessage) });
}

type Told = Parameters<typeof STATISTICS.encode>[0]["model_stats"];

function oneMessage(one: VersionStatistics): NonNullable<Told>[number] {
  const { inference_stats: stats, batch_stats, ...rest } = oneJson(one);
  return {
    name: rest.name,
    version: rest.version,
    last_inference: BigInt(rest.last_inference),
    inference_count: BigInt(rest.inference_count),
    execution_count: BigInt(rest.execution_count),
    inference_stats: {
      success: big(stats.success),
      fail: big(stats.fail),
      queue: big(stats.queue),
      compute_input: big(stats.compute_input),
      compute_infer: big(stats.compute_infer),
      compute_output: big(stats.compute_output),
      cache_hit: big(stats.cache_hit),
      cache_miss: big(stats.cache_miss),
    },
    response_stats: new Map(),
    batch_stats: batch_stats.map((batch) => ({
      batch_size: BigInt(batch.batch_size),
      compute_input: big(batch.compute_input),
      compute_infer: big(batch.compute_infer),
      compute_output: big(batch.compute_output),
    })),
    memory_usage: [],
  };
}

function big({ count, ns }: Timed) {
  return { count: BigInt(count), ns: BigInt(ns) };
}
