// The series of the cache: what it did for requests, what it holds, and what it let go.

import { Counter, Gauge, type Registry } from "prom-client";
import type { Event } from "../../core/event.ts";

export type CacheEvent = Extract<Event, { type: `cache-${string}` }>;

/** Registers the series; the answer counts an event. */
export function openCacheSeries(registers: Registry[]): (event: CacheEvent) => void {
  const asked = new Counter({
    name: "sluice_cache_requests_total",
    help: "Requests for models with a cache, by what it did: hit, miss, stale, coalesced or bypass.",
    labelNames: ["model", "version", "state"],
    registers,
  });
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames: ["model"], registers });
  const bytes = gauge("sluice_cache_bytes", "Memory that a model's kept answers take.");
  const entries = gauge("sluice_cache_entries", "Answers of a model that are kept in memory.");
  const dropped = new Counter({
    name: "sluice_cache_dropped_total",
    help: "Answers that went for others (evicted), found no room (refused), or were another question's (collision).",
    labelNames: ["model", "why"],
    registers,
  });
  return (event) => {
    const { model } = event;
    switch (event.type) {
      case "cache-asked":
        asked.inc({ model, version: event.version, state: event.state });
        return;
      case "cache-size":
        bytes.set({ model }, event.bytes);
        entries.set({ model }, event.entries);
        return;
      case "cache-dropped":
        dropped.inc({ model, why: event.why });
        return;
      default:
        event satisfies never;
    }
  };
}
