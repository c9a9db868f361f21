// The series of what keeps endpoints from work: breakers and ejections.

import { Counter, Gauge, type Registry } from "prom-client";
import type { Event } from "../../core/event.ts";

const BREAKER_OPEN = { closed: 0, "half-open": 0.5, open: 1 } as const;

/** Counts what guards say. */
export function openGuardSeries(
  registers: Registry[],
): (event: Extract<Event, { type: "breaker-state" | "ejection-state" }>) => void {
  const labelNames = ["backend", "endpoint", "model"];
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames, registers });
  const counter = (name: string, help: string) =>
    new Counter({ name, help, labelNames: [...labelNames, "cause"], registers });
  const open = gauge(
    "sluice_breaker_open",
    "1 while the breaker before the endpoint is open, 0.5 half-open, 0 closed; model is empty where it is that of all models.",
  );
  const trips = counter("sluice_breaker_trips_total", "How often a breaker opened, by the cause.");
  const ejected = gauge("sluice_endpoint_ejected", "1 while the endpoint is ejected as the worst of its pool, else 0.");
  const ejections = counter("sluice_ejections_total", "How often an endpoint was ejected, by what it was worse in.");
  return (event) => {
    const where = { backend: event.backend, endpoint: event.endpoint, model: event.model ?? "" };
    const { cause } = event;
    if (event.type === "breaker-state") {
      if (event.state === "gone") open.remove(where);
      else open.set(where, BREAKER_OPEN[event.state]);
      if (event.state === "open" && cause !== undefined) trips.inc({ ...where, cause });
      return;
    }
    if (event.state === "gone") ejected.remove(where);
    else ejected.set(where, event.state === "ejected" ? 1 : 0);
    if (event.state === "ejected" && cause !== undefined) ejections.inc({ ...where, cause });
  };
}
