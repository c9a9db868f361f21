// How what happens is counted: the one door to prom-client and the one place that turns events into series.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Event } from "../core/event.ts";
import { openAttemptSeries } from "./metrics/attempts.ts";
import { openCacheSeries } from "./metrics/cache.ts";
import { openExperimentSeries } from "./metrics/experiments.ts";
import { openGuardSeries } from "./metrics/guards.ts";
import { openLimitSeries } from "./metrics/limits.ts";
import { openProcessSeries } from "./metrics/process.ts";

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
}

/** Seconds: from 100 us to 10 s, about three buckets to the decade's half, which is where inference times lie. */
const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function openMetrics(gauges: Gauges): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
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
  const queueSeconds = new Histogram({
    name: "sluice_queue_duration_seconds",
    help: "Waiting for a worker.",
    labelNames: ["backend", "model", "version"],
    buckets: SECONDS,
    registers,
  });
  const runSeconds = new Histogram({
    name: "sluice_run_duration_seconds",
    help: "Inside the model.",
    labelNames: ["backend", "model", "version"],
    buckets: SECONDS,
    registers,
  });
  const queueFull = new Counter({
    name: "sluice_queue_full_total",
    help: "Requests refused because the model's queue was full.",
    labelNames: ["backend", "model"],
    registers,
  });
  const workersReady = new Gauge({
    name: "sluice_workers_ready",
    help: "Local workers that can run models now.",
    labelNames: ["backend"],
    registers,
  });
  const workersLost = new Counter({
    name: "sluice_workers_lost_total",
    help: "Local workers lost, by reason.",
    labelNames: ["backend", "reason"],
    registers,
  });
  const modelReady = new Gauge({
    name: "sluice_model_ready",
    help: "1 when the version of the model can be asked, 0 when it is known but cannot.",
    labelNames: ["backend", "model", "version"],
    registers,
  });
  const endpointHealthy = new Gauge({
    name: "sluice_endpoint_healthy",
    help: "1 when the server answers its health checks, 0 when it fails them.",
    labelNames: ["backend", "endpoint"],
    registers,
  });
  const shadows = new Counter({
    name: "sluice_shadow_requests_total",
    help: "Requests that a shadow might have copied, by how the two answers compare or why there are not two.",
    labelNames: ["model", "shadow", "result"],
    registers,
  });
  const wasted = new Counter({
    name: "sluice_wasted_run_seconds_total",
    help: "Time of runs whose caller had gone before they ended.",
    labelNames: ["backend", "model"],
    registers,
  });
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
  const ready = new Map<string, Set<number>>();
  const setWorker = (event: Extract<Event, { worker: number }>) => {
    const workers = ready.get(event.backend) ?? new Set<number>();
    ready.set(event.backend, workers);
    if (event.type === "worker-ready") workers.add(event.worker);
    else workers.delete(event.worker);
    workersReady.set({ backend: event.backend }, workers.size);
  };
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
      case "run-done": {
        const where = { backend: event.backend, model: event.model, version: event.version };
        queueSeconds.observe(where, event.queuedMs / 1000);
        runSeconds.observe(where, event.ranMs / 1000);
        return;
      }
      case "queue-full":
        queueFull.inc({ backend: event.backend, model: event.model });
        return;
      case "worker-started":
      case "worker-ready":
        setWorker(event);
        return;
      case "worker-lost":
        setWorker(event);
        workersLost.inc({ backend: event.backend, reason: event.reason });
        return;
      case "model-state": {
        const where = { backend: event.backend, model: event.model, version: event.version };
        if (event.state === "unloading") modelReady.remove(where);
        else modelReady.set(where, event.state === "ready" ? 1 : 0);
        return;
      }
      case "endpoint-state": {
        const where = { backend: event.backend, endpoint: event.endpoint };
        if (event.state === "gone") {
          endpointHealthy.remove(where);
          limits.gone(where);
        } else endpointHealthy.set(where, event.state === "healthy" ? 1 : 0);
        return;
      }
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
      case "warm-up":
      case "process-overload":
      case "process-shed":
      case "process-fault":
      case "process-connection":
        processes(event);
        return;
      case "wasted":
        wasted.inc({ backend: event.backend, model: event.model }, event.ranMs / 1000);
        return;
      default:
        event satisfies never;
    }
  };
  return {
    count,
    expose: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

function openStoreSeries(registers: Registry[]): (event: Extract<Event, { type: `store-${string}` }>) => void {
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers });
  const asked = counter(
    "sluice_store_asked_total",
    "Asks of the store that replicas share: late is past its time-out, skipped was never sent.",
    ["result"],
  );
  const spoiled = counter("sluice_store_spoiled_total", "Values in the shared store that were damaged.", []);
  const refused = counter("sluice_store_refused_total", "Answers that the shared store did not keep.", ["reason"]);
  return (event) => {
    if (event.type === "store-asked") asked.inc({ result: event.result });
    else if (event.type === "store-spoiled") spoiled.inc();
    else refused.inc({ reason: event.reason });
  };
}

/** Rows and requests of a batch: powers of two, as most preferred sizes are. */
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

function openBatchSeries(registers: Registry[]): (event: Extract<Event, { type: `batch-${string}` }>) => void {
  const labelNames = ["model", "version", "backend"];
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, labelNames, buckets, registers });
  const rows = histogram("sluice_batch_rows", "Rows of a batch, without padding.", SIZES);
  const requests = histogram("sluice_batch_requests", "Requests in a batch.", SIZES);
  const waited = histogram(
    "sluice_batch_wait_seconds",
    "Waiting of a batch's oldest request for its sending.",
    SECONDS,
  );
  const ran = histogram("sluice_batch_run_seconds", "From a batch's sending to its answer.", SECONDS);
  const released = new Counter({
    name: "sluice_batches_total",
    help: "Batches sent, by the reason for which each was let go when it was.",
    labelNames: [...labelNames, "reason"],
    registers,
  });
  const refused = new Counter({
    name: "sluice_batch_refused_total",
    help: "Requests refused because their batch would have come too late.",
    labelNames: ["model", "version"],
    registers,
  });
  return (event) => {
    const { model, version } = event;
    if (event.type === "batch-refused") {
      refused.inc({ model, version });
      return;
    }
    const where = { model, version, backend: event.backend };
    rows.observe(where, event.rows);
    requests.observe(where, event.requests);
    waited.observe(where, event.waitedMs / 1000);
    ran.observe(where, event.ranMs / 1000);
    released.inc({ ...where, reason: event.reason });
  };
}
