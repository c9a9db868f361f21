// The series of batches: what they are made of, how long they waited and ran, and which requests found no place in time.

import { Counter, type Registry } from "prom-client";
import type { Event } from "../../core/event.ts";
import { Histogram } from "./histogram.ts";
import { SECONDS } from "./seconds.ts";

export type BatchEvent = Extract<Event, { type: `batch-${string}` }>;

/** Rows and requests of a batch: powers of two, as most preferred sizes are. */
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** Registers the series; the answer counts an event. */
export function openBatchSeries(registers: Registry[]): (event: BatchEvent) => void {
  const labelNames = ["model", "version", "backend"] as const;
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
