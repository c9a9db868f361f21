// The series of limits: what may run at once, who waits for it, and who was refused.

import { Counter, Gauge, type Registry } from "prom-client";
import type { Event, LimitPlace } from "../../core/event.ts";

type LimitEvent = Extract<Event, { type: "limit" | "limit-queue" | "shed" | "rate-limited" }>;

/** Counts what limits say; `gone` forgets an endpoint. */
export interface LimitSeries {
  count(event: LimitEvent): void;
  gone(endpoint: { readonly backend: string; readonly endpoint: string }): void;
}

export function openLimitSeries(registers: Registry[]): LimitSeries {
  const labelNames = ["backend", "endpoint", "model"];
  const limits = new Gauge({
    name: "sluice_limit_calls",
    help: "Calls that may be at the endpoint at once now; with a model in place of an endpoint, requests of that model.",
    labelNames,
    registers,
  });
  const queues = new Gauge({
    name: "sluice_limit_queue_calls",
    help: "Calls that wait for their turn within a limit.",
    labelNames,
    registers,
  });
  const sheds = new Counter({
    name: "sluice_limit_shed_total",
    help: "Calls refused by a limit: its queue was full, they would have been too late, a better one took their place, the queue stood, or most of their kind were refused.",
    labelNames: [...labelNames, "reason"],
    registers,
  });
  const rates = new Counter({
    name: "sluice_rate_limited_total",
    help: "Requests refused because their caller had sent more than its share, by what tells callers apart; model is empty where the share is of all models.",
    labelNames: ["model", "by"],
    registers,
  });
  return {
    count(event) {
      switch (event.type) {
        case "limit":
          limits.set(labelsOf(event.of), event.limit);
          return;
        case "limit-queue":
          queues.set(labelsOf(event.of), event.waiting);
          return;
        case "shed":
          sheds.inc({ ...labelsOf(event.of), reason: event.reason });
          return;
        case "rate-limited":
          rates.inc({ model: event.model ?? "", by: event.by });
          return;
        default:
          event satisfies never;
      }
    },
    gone({ backend, endpoint }) {
      const where = { backend, endpoint, model: "" };
      limits.remove(where);
      queues.remove(where);
    },
  };
}

function labelsOf(place: LimitPlace): Readonly<Record<string, string>> {
  if (place.at === "model") return { backend: "", endpoint: "", model: place.model };
  return { backend: place.backend, endpoint: place.endpoint, model: "" };
}
