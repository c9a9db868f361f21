// How much of a core processes of this machine use, and how busy a core is, from Linux's /proc.

import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** Of a core. Beyond it the core is taken to be the limit, whoever uses it, and what was measured says nothing of the arm. */
export const SATURATED = 0.95;

/** Seconds of CPU that the processes and their children have used; 0 where the system does not tell. */
export function cpuSeconds(pids: readonly number[]): number {
  return (
    pids.flatMap((pid) => [pid, ...childrenOf(pid)]).reduce((sum, pid) => sum + ticksOf(pid), 0) / TICKS_PER_SECOND
  );
}

/** Shares of one core. */
export interface CoreUse {
  /** By the processes and their children. */
  readonly own: number;
  /** By everybody. */
  readonly busy: number;
}

/** Watches processes on a core; the function ends it and says what was used since. All is 0 where the system does not tell. */
export function watchCore(core: number, pids: readonly number[]): () => CoreUse {
  const own = cpuSeconds(pids);
  const before = coreTicks(core);
  const began = performance.now();
  return () => {
    const after = coreTicks(core);
    return {
      own: (cpuSeconds(pids) - own) / ((performance.now() - began) / 1000),
      busy: (after.busy - before.busy) / Math.max(1, after.all - before.all),
    };
  };
}

/** Source: proc(5), the line `cpuN user nice system idle iowait irq softirq steal` of /proc/stat. */
function coreTicks(core: number): { readonly busy: number; readonly all: number } {
  const line = new RegExp(`^cpu${core} (.*)$`, "m").exec(readOr("/proc/stat", ""))?.[1] ?? "";
  const ticks = line.split(" ").slice(0, 8).map(Number);
  const all = ticks.reduce((sum, count) => sum + count, 0);
  const [, , , idle = 0, iowait = 0] = ticks;
  return { busy: all - idle - iowait, all };
}

function ticksOf(pid: number): number {
  const text = readOr(`/proc/${pid}/stat`, "");
  // the name may hold blanks; utime and stime are the 12th and 13th word behind it. Source: proc(5)
  const words = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(words[11] ?? 0) + Number(words[12] ?? 0);
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readOr(`/proc/${pid}/task/${task}/children`, "").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}
