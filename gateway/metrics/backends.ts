// The series of backends: runs, local workers, the models that are there, and servers with their warm-ups.

import { Counter, Gauge, type Registry } from "prom-client";
import type { Event } from "../../core/event.ts";
import { Histogram } from "./histogram.ts";
import { SECONDS } from "./seconds.ts";

export type BackendEvent = Extract<
  Event,
  { type: `worker-${string}` | "run-done" | "queue-full" | "model-state" | "endpoint-state" | "warm-up" | "wasted" }
>;

/** Registers the series; the answer counts an event. */
export function openBackendSeries(registers: Registry[]): (event: BackendEvent) => void {
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
  const wasted = new Counter({
    name: "sluice_wasted_run_seconds_total",
    help: "Time of runs whose caller had gone before they ended.",
    labelNames: ["backend", "model"],
    registers,
  });
  const warmUps = new Counter({
    name: "sluice_warm_ups_total",
    help: "Warm-ups of endpoints that were new or had come back, by what came of them.",
    labelNames: ["backend", "endpoint", "model", "result"],
    registers,
  });
  const ready = new Map<string, Set<number>>();
  const setWorker = (event: Extract<BackendEvent, { worker: number }>) => {
    const workers = ready.get(event.backend) ?? new Set<number>();
    ready.set(event.backend, workers);
    if (event.type === "worker-ready") workers.add(event.worker);
    else workers.delete(event.worker);
    workersReady.set({ backend: event.backend }, workers.size);
  };
  return (event) => {
    switch (event.type) {
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
        if (event.state === "gone") endpointHealthy.remove(where);
        else endpointHealthy.set(where, event.state === "healthy" ? 1 : 0);
        return;
      }
      case "warm-up":
        warmUps.inc({ backend: event.backend, endpoint: event.endpoint, model: event.model, result: event.result });
        return;
      case "wasted":
        wasted.inc({ backend: event.backend, model: event.model }, event.ranMs / 1000);
        return;
      default:
        event satisfies never;
    }
  };
}
