// The series of experiments: who was seen in which variant, and whether the split is what it should be.

import { Counter, Gauge, type Registry } from "prom-client";
import type { Event } from "../../core/event.ts";

/** Counts what experiments say. */
export function openExperimentSeries(
  registers: Registry[],
): (event: Extract<Event, { type: "exposure" | "exposures-dropped" | "sample-ratio" }>) => void {
  const exposures = new Counter({
    name: "sluice_exposures_total",
    help: "Units seen for the first time in a variant of an experiment.",
    labelNames: ["experiment", "variant"],
    registers,
  });
  const dropped = new Counter({
    name: "sluice_exposures_dropped_total",
    help: "Records of exposures that could not be written.",
    registers,
  });
  const sampleRatio = new Gauge({
    name: "sluice_experiment_sample_ratio_p",
    help: "How likely the split of an experiment's units is by chance; valid however often it is looked at.",
    labelNames: ["experiment"],
    registers,
  });
  return (event) => {
    switch (event.type) {
      case "exposure":
        exposures.inc({ experiment: event.experiment, variant: event.variant });
        return;
      case "exposures-dropped":
        dropped.inc(event.count);
        return;
      case "sample-ratio":
        sampleRatio.set({ experiment: event.experiment }, event.p);
        return;
      default:
        event satisfies never;
    }
  };
}
