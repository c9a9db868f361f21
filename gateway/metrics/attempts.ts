// The series of further tries and of deadlines: retries, second copies, and requests refused at the door.

import { Counter, type Registry } from "prom-client";
import type { Event } from "../../core/event.ts";

export type AttemptEvent = Extract<Event, { type: "retry" | "hedge" | "deadline-refused" }>;

/** Registers the series; the answer counts an event. */
export function openAttemptSeries(registers: Registry[]): (event: AttemptEvent) => void {
  const counter = (name: string, help: string, labels: string[]) =>
    new Counter({ name, help, labelNames: ["model", "version", ...labels], registers });
  const retries = counter("sluice_retries_total", "Calls sent again after a fault, by the fault.", ["code"]);
  const exhausted = counter(
    "sluice_retry_budget_exhausted_total",
    "Calls not sent again because the budget of retries was exhausted, by the fault.",
    ["code"],
  );
  const hedges = counter(
    "sluice_hedges_total",
    "Second copies by whether they won; budget: not sent because the budget was exhausted.",
    ["result"],
  );
  const late = counter(
    "sluice_deadline_refused_total",
    "Requests refused because no answer of late has come as soon as their deadline.",
    [],
  );
  return (event) => {
    const { model, version } = event;
    switch (event.type) {
      case "retry":
        (event.result === "sent" ? retries : exhausted).inc({ model, version, code: event.code });
        return;
      case "hedge":
        hedges.inc({ model, version, result: event.result });
        return;
      case "deadline-refused":
        late.inc({ model, version });
        return;
      default:
        event satisfies never;
    }
  };
}
