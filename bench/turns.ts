// Measures the turns of the event loop of the process it runs in: the CPU of each, and how late its timers are.

import { monitorEventLoopDelay } from "node:perf_hooks";
import { WASI } from "node:wasi";
import { quantile } from "./stats.ts";

/** Of WebAssembly, whose types come with the browser's, the little that is used here. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
  ) => { readonly exports: { readonly memory: { readonly buffer: ArrayBuffer } } };
};

export interface TurnFacts {
  readonly turns: number;
  /** Turns that did something: at least BUSY_MS of CPU. The quantiles are over these, so that no idle turn flatters them. */
  readonly busyTurns: number;
  /** CPU of the main thread in one busy turn, in milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** Turns above 5 ms. */
  readonly over5Ms: number;
  /** CPU of the main thread over all turns, by the clock used here and by `process.threadCpuUsage()`, in milliseconds. */
  readonly cpuMs: number;
  readonly threadCpuUsageMs: number;
}

export interface LagFacts {
  /** How late a timer of 1 ms was, in milliseconds of the wall clock. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** What a turn that only looks at a timer stays below. */
const BUSY_MS = 0.05;

/** More turns than any span here has. */
const MAX_TURNS = 4_000_000;

/**
 * Counts the CPU between one check phase of the loop and the next, which is one turn. The hook is an immediate that does
 * not keep the loop alive: it runs once in every turn that something else caused and causes none itself, so the loop
 * sleeps and wakes as it would without it. What the hook costs (two readings, about 2 us) is in the figures.
 */
export function watchTurns(): () => TurnFacts {
  const cpuMs = threadCpuClock();
  const turns = new Float64Array(MAX_TURNS);
  let count = 0;
  let over = false;
  const total = cpuMs();
  const counted = process.threadCpuUsage();
  let before = total;
  const hook = () => {
    if (over) return;
    const now = cpuMs();
    turns[count % MAX_TURNS] = now - before;
    count += 1;
    before = now;
    setImmediate(hook).unref();
  };
  setImmediate(hook).unref();
  return () => {
    over = true;
    const used = process.threadCpuUsage(counted);
    const seen = turns.subarray(0, Math.min(count, MAX_TURNS));
    const busy = seen.filter((ms) => ms >= BUSY_MS);
    return {
      turns: count,
      busyTurns: busy.length,
      p50Ms: quantile(busy, 0.5),
      p99Ms: quantile(busy, 0.99),
      p999Ms: quantile(busy, 0.999),
      maxMs: quantile(busy, 1),
      over5Ms: busy.filter((ms) => ms > 5).length,
      cpuMs: cpuMs() - total,
      threadCpuUsageMs: (used.user + used.system) / 1000,
    };
  };
}

/**
 * The thread's CPU time in milliseconds, from CLOCK_THREAD_CPUTIME_ID: exact to the microsecond. `process.threadCpuUsage()`
 * reads getrusage, which many kernels bring up to date only at their tick of 4 ms, too coarse to judge one turn by; over a
 * second the two agree. Node's way to the clock is WASI.
 */
function threadCpuClock(): () => number {
  const wasi = new WASI({ version: "preview1" });
  // the smallest module there is: one page of memory, for the answer
  const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 3, 1, 0, 1, 7, 10, 1, 6, ...Buffer.from("memory"), 2, 0];
  const instance = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(bytes)));
  wasi.initialize(instance);
  const view = new DataView(instance.exports.memory.buffer);
  const read = wasi.wasiImport.clock_time_get as (clock: number, precision: bigint, at: number) => number;
  const THREAD_CPUTIME = 3;
  return () => {
    const fault = read(THREAD_CPUTIME, 1n, 0);
    if (fault !== 0) throw new Error(`wasi: clock_time_get answered ${fault}`);
    return Number(view.getBigUint64(0, true)) / 1e6;
  };
}

const LAG_RESOLUTION_MS = 1;

/** Watches a timer of 1 ms. It wakes the loop by itself, so it is not used together with `watchTurns`. */
export function watchLag(): () => LagFacts {
  const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  delay.enable();
  return () => {
    delay.disable();
    const late = (ns: number) => Math.max(0, ns / 1e6 - LAG_RESOLUTION_MS);
    return {
      p50Ms: late(delay.percentile(50)),
      p99Ms: late(delay.percentile(99)),
      p999Ms: late(delay.percentile(99.9)),
      maxMs: late(delay.max),
    };
  };
}
