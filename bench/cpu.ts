// How much of a core processes of this machine use, from Linux's /proc.

import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** Of a core. Beyond it a process is taken to be the limit, and what was measured says nothing of the others. */
export const SATURATED = 0.9;

/** Seconds of CPU that the processes and their children have used; 0 where the system does not tell. */
export function cpuSeconds(pids: readonly number[]): number {
  return (
    pids.flatMap((pid) => [pid, ...childrenOf(pid)]).reduce((sum, pid) => sum + ticksOf(pid), 0) / TICKS_PER_SECOND
  );
}

/** Watches groups of processes by name; the function ends it and gives each group's share of one core since. */
export function watchCores<Name extends string>(
  groups: Readonly<Record<Name, readonly number[]>>,
): () => Readonly<Record<Name, number>> {
  const names = Object.keys(groups) as Name[];
  const used = () => names.map((name) => cpuSeconds(groups[name]));
  const before = used();
  const began = performance.now();
  return () => {
    const seconds = (performance.now() - began) / 1000;
    const after = used();
    const shares = names.map((name, i) => [name, ((after[i] ?? 0) - (before[i] ?? 0)) / seconds] as const);
    return Object.fromEntries(shares) as Record<Name, number>;
  };
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
