// The series of the process's own troubles: overload, connections that do not fit, and faults that nobody caught.

import { Counter, Gauge, type Registry } from "prom-client";
import type { Event } from "../../core/event.ts";

export type ProcessEvent = Extract<Event, { type: `process-${string}` }>;

/** Counts what the process says of itself. */
export function openProcessSeries(registers: Registry[]): (event: ProcessEvent) => void {
  const overloaded = new Gauge({
    name: "sluice_process_overloaded",
    help: "1 while new requests are refused because of the process's memory or its event loop's lag.",
    labelNames: ["of"],
    registers,
  });
  const shed = new Counter({
    name: "sluice_process_shed_total",
    help: "Requests refused while the process was overloaded.",
    labelNames: ["of"],
    registers,
  });
  const faults = new Counter({
    name: "sluice_uncaught_faults_total",
    help: "Faults that nobody caught, by what they end: their request, or the process.",
    labelNames: ["ends"],
    registers,
  });
  const connections = new Counter({
    name: "sluice_connections_refused_total",
    help: "Connections of clients closed at once because there were as many as may be.",
    labelNames: ["listener"],
    registers,
  });
  return (event) => {
    switch (event.type) {
      case "process-overload":
        overloaded.set({ of: event.of }, event.state === "begins" ? 1 : 0);
        return;
      case "process-shed":
        shed.inc({ of: event.of });
        return;
      case "process-fault":
        faults.inc({ ends: event.ends });
        return;
      case "process-connection":
        connections.inc({ listener: event.listener });
        return;
      default:
        event satisfies never;
    }
  };
}
