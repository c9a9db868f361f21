// A real server as a process group of its own that ends with the test, however the test ends.

import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

export interface ServerPlan {
  readonly command: string;
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Whether it answers now; asked until it says yes. What it throws counts as no. */
  readonly ready: () => Promise<boolean>;
  /** How long it may take to become ready; 60 seconds when absent. */
  readonly timeoutMs?: number;
  /** How many tenths of a second it has to end by itself, once told to; 80 when absent. */
  readonly graceTenths?: number;
}

export interface RunningServer {
  /** The process group's id. */
  readonly pid: number;
  /** From its start until it was ready. */
  readonly startedInMs: number;
  /** The end of what it printed. */
  log(): string;
  /** What the processes of its group hold in memory now, each page counted once a process. */
  memoryBytes(): Promise<number>;
  close(): Promise<void>;
}

/** How much of what a server prints is kept. */
const LOG_CHARS = 16_384;
const POLL_MS = 50;

// Its standard input is a pipe that this process holds: when it closes, by close() or because this process has died,
// the group is told to end (TERM), and after its grace made to (KILL). No start-up files: Node's pipe is a socket, and a bash
// without a shell above it (SHLVL below 2) takes that for rshd and reads ~/.bashrc, which may put another Python first.
const SUPERVISE = `
exec 3<&0
trap : TERM
cat <&3 >/dev/null &
holder=$!
{ trap : TERM; "$@" </dev/null 3<&-; kill "$holder" 2>/dev/null; } &
server=$!
wait "$holder" 2>/dev/null
kill -TERM -- -$$
for _ in $(seq "$SLUICE_GRACE"); do kill -0 "$server" 2>/dev/null || break; sleep 0.1; done
kill -KILL -- -$$
`;

/**
 * Starts it and waits until it is ready.
 *
 * @throws Error with the end of its log when it ends before, or is not ready in time
 */
export async function startServer(plan: ServerPlan): Promise<RunningServer> {
  const startedAt = performance.now();
  const child = spawn("bash", ["--norc", "-c", SUPERVISE, "supervise", plan.command, ...plan.args], {
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, SLUICE_GRACE: `${plan.graceTenths ?? 80}`, BASH_ENV: "", ...plan.env },
    ...(plan.cwd === undefined ? {} : { cwd: plan.cwd }),
  });
  let log = "";
  let over = false;
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => {
      over = true;
      resolve();
    });
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      log = (log + text).slice(-LOG_CHARS);
    });
  }
  const close = () => {
    child.stdin.destroy();
    return ended;
  };
  const giveUpAt = startedAt + (plan.timeoutMs ?? 60_000);
  while (!(await plan.ready().catch(() => false))) {
    const late = performance.now() > giveUpAt;
    if (over || late) {
      await close();
      throw new Error(
        `${plan.command} ${late ? "is not ready in time" : "ended before it was ready"}; it said:\n${log}`,
      );
    }
    await pause(POLL_MS);
  }
  const pid = child.pid as number;
  return {
    pid,
    startedInMs: Math.round(performance.now() - startedAt),
    log: () => log,
    memoryBytes: () => groupMemory(pid),
    close,
  };
}

/** A folder for a server's files, and the way to remove it. */
export async function workFolder(name: string): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), `sluice-${name}-`));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Whether a port of the loopback interface answers a path with 200; a `ready` for `startServer`. */
export function answers(
  port: number,
  path: string,
  init: { readonly headers?: Readonly<Record<string, string>> } = {},
): () => Promise<boolean> {
  return async () => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { ...init, signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.status === 200;
  };
}

// Resident pages by /proc (proc(5): statm's second field, in pages of 4 KiB here); shared pages count once a process.
async function groupMemory(group: number): Promise<number> {
  let pages = 0;
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]) !== group) continue;
    const statm = await readFile(`/proc/${name}/statm`, "utf8").catch(() => "");
    pages += Number(statm.split(" ")[1] ?? 0);
  }
  return pages * 4096;
}
