// The series of the store that replicas share: what came of asks, and what it spoiled or did not keep.

import { Counter, type Registry } from "prom-client";
import type { Event } from "../../core/event.ts";

export type StoreEvent = Extract<Event, { type: `store-${string}` }>;

/** Registers the series; the answer counts an event. */
export function openStoreSeries(registers: Registry[]): (event: StoreEvent) => void {
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
