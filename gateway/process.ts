// What the gateway heeds of its own process: memory, the event loop, file descriptors and what nobody caught.

import type { InFlight, Limits } from "../config/config.ts";
import type { Env } from "../core/env.ts";
import type { InferError } from "../core/error.ts";
import { memoryBytes } from "./env.ts";
import { type Lateness, openLoopDelay } from "./loop-delay.ts";
import { openProcessFaults, type ProcessFaults } from "./process-faults.ts";
import { connectionsPerListener, openFilesLimit } from "./process-files.ts";
import { openProcessLoad, processReadings } from "./process-load.ts";

export interface ProcessWatch {
  /** See `ProcessLoad.refusal`. */
  refusal(others: boolean): InferError | undefined;
  readonly faults: ProcessFaults;
  /** How late the event loop was since this was last asked for. */
  lateness(): Lateness;
  /** Connections that each listener may have at once; undefined where nothing limits them. */
  readonly maxConnections: number | undefined;
  close(): void;
}

/** Watches the process from now on. */
export function watchProcess(limits: Limits, listeners: number, env: Env): ProcessWatch {
  const loop = openLoopDelay();
  const most = { memoryBytes: bytesOf(limits.memory), lagMs: limits.lagMs };
  const load = openProcessLoad(most, processReadings(loop), env);
  return {
    refusal: load.refusal,
    lateness: loop.lateness,
    faults: openProcessFaults(env),
    maxConnections: limits.connections ?? connectionsPerListener(openFilesLimit(), listeners),
    close: load.close,
  };
}

/** Bytes of a share of the memory that the process may have, or the size itself. */
export function bytesOf(limit: InFlight): number {
  return "bytes" in limit ? limit.bytes : Math.floor(memoryBytes() * limit.fraction);
}
