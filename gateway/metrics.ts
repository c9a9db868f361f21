// How what happens is counted: the one place that turns events into series of prom-client.

import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Event } from "../core/event.ts";
import type { Lateness } from "./loop-delay.ts";
import { openAttemptSeries } from "./metrics/attempts.ts";
import { openBackendSeries } from "./metrics/backends.ts";
import { openBatchSeries } from "./metrics/batches.ts";
import { openCacheSeries } from "./metrics/cache.ts";
import { NEVER_MS, openLoopSeries } from "./metrics/event-loop.ts";
import { openExperimentSeries } from "./metrics/experiments.ts";
import { openGuardSeries } from "./metrics/guards.ts";
import { Histogram } from "./metrics/histogram.ts";
import { openLimitSeries } from "./metrics/limits.ts";
import { openProcessSeries } from "./metrics/process.ts";
import { SECONDS } from "./metrics/seconds.ts";
import { openStoreSeries } from "./metrics/store.ts";

export interface Metrics {
  /** Never throws. */
  count(event: Event): void;
  /** The text exposition, and its content type. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface Gauges {
  /** Bytes of requests held now. */
  inFlightBytes(): number;
  inFlightRequests(): number;
  /** How late the event loop was since this was last asked for. */
  lateness(): Lateness;
}

export function openMetrics(gauges: Gauges): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  openLoopSeries(registry, gauges.lateness);
  const registers = [registry];
  const requests = new Counter({
    name: "sluice_requests_total",
    help: "Inference requests by what they came to; code is ok or the kind of error, origin whose fault it was.",
    labelNames: ["model", "version", "backend", "protocol", "code", "origin"],
    registers,
  });
  const requestSeconds = new Histogram({
    name: "sluice_request_duration_seconds",
    help: "From the request's head read to its answer known.",
    labelNames: ["model", "version", "backend", "protocol"],
    buckets: SECONDS,
    registers,
  });
  const shadows = new Counter({
    name: "sluice_shadow_requests_total",
    help: "Requests that a shadow might have copied, by how the two answers compare or why there are not two.",
    labelNames: ["model", "shadow", "result"],
    registers,
  });
  const ofBackends = openBackendSeries(registers);
  const batches = openBatchSeries(registers);
  const caches = openCacheSeries(registers);
  const experiments = openExperimentSeries(registers);
  const guards = openGuardSeries(registers);
  const limits = openLimitSeries(registers);
  const attempts = openAttemptSeries(registers);
  const store = openStoreSeries(registers);
  const processes = openProcessSeries(registers);
  new Gauge({
    name: "sluice_in_flight_bytes",
    help: "Bytes of request bodies held now.",
    registers,
    collect() {
      this.set(gauges.inFlightBytes());
    },
  });
  new Gauge({
    name: "sluice_in_flight_requests",
    help: "Requests that have no whole answer yet.",
    registers,
    collect() {
      this.set(gauges.inFlightRequests());
    },
  });
  const count = (event: Event): void => {
    switch (event.type) {
      case "request-done": {
        const { protocol, code } = event;
        const where = {
          model: event.model ?? "",
          version: event.version ?? "",
          backend: event.backend ?? "",
          protocol,
        };
        requests.inc({ ...where, code, origin: event.origin ?? "" });
        requestSeconds.observe(where, event.tookMs / 1000);
        return;
      }
      case "run-done":
      case "queue-full":
      case "worker-started":
      case "worker-ready":
      case "worker-lost":
      case "model-state":
      case "warm-up":
      case "wasted":
        ofBackends(event);
        return;
      case "endpoint-state":
        ofBackends(event);
        if (event.state === "gone") limits.gone({ backend: event.backend, endpoint: event.endpoint });
        return;
      case "limit":
      case "limit-queue":
      case "shed":
      case "rate-limited":
        limits.count(event);
        return;
      case "breaker-state":
      case "ejection-state":
        guards(event);
        return;
      case "exposure":
      case "exposures-dropped":
      case "sample-ratio":
        experiments(event);
        return;
      case "shadow":
        shadows.inc({ model: event.model, shadow: event.shadow, result: event.result });
        return;
      case "batch-sent":
      case "batch-refused":
        batches(event);
        return;
      case "store-asked":
      case "store-spoiled":
      case "store-refused":
        store(event);
        return;
      case "retry":
      case "hedge":
      case "deadline-refused":
        attempts(event);
        return;
      case "cache-asked":
      case "cache-size":
      case "cache-dropped":
        caches(event);
        return;
      case "process-overload":
      case "process-shed":
      case "process-fault":
      case "process-connection":
        processes(event);
        return;
      default:
        event satisfies never;
    }
  };
  const later = openLater(count);
  return {
    count: later.add,
    async expose() {
      later.now();
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

/** So many events are counted in one go: most answers wait for no count, and no turn of the loop for many. */
const TOGETHER = 64;
/** Events that may wait to be counted; more are counted at once. */
const MOST_WAITING = 1024;

/**
 * Counts events behind whatever else the turn of the loop has to do: callers wait for their answers, nobody for a count but who
 * reads them, and then all are counted first.
 */
function openLater(count: (event: Event) => void) {
  let waiting: Event[] = [];
  const now = () => {
    const counted = waiting;
    waiting = [];
    for (const event of counted) count(event);
  };
  return {
    add(event: Event): void {
      waiting.push(event);
      if (waiting.length === TOGETHER) setImmediate(now);
      else if (waiting.length >= MOST_WAITING) now();
    },
    now,
  };
}
