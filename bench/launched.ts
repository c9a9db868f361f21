// Proxies of others, started on the gateway's core from a config file in a folder of their own.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canPin, SERVER_CORE } from "./programs.ts";

export interface Launch {
  readonly name: string;
  /** Where it must listen before it counts as started. */
  readonly ports: readonly number[];
  /** @param folder one that is its own and goes with it */
  config(folder: string): string;
  command(folder: string, file: string): readonly [string, ...string[]];
}

export interface Launched {
  readonly pid: number;
  readonly ports: readonly number[];
  stop(): Promise<void>;
}

const READY_TRIES = 100;
const READY_MS = 50;

/** @throws Error when it does not listen after five seconds */
export async function launch({ name, ports, config, command }: Launch): Promise<Launched> {
  const folder = mkdtempSync(join(tmpdir(), `sluice-${name}-`));
  const file = join(folder, `${name}.conf`);
  writeFileSync(file, config(folder));
  const own = command(folder, file);
  const [program = "", ...args] = canPin() ? ["taskset", "-c", String(SERVER_CORE), ...own] : own;
  const child = spawn(program, args, { stdio: "ignore" });
  const stop = () => end(child).finally(() => rmSync(folder, { recursive: true, force: true }));
  try {
    for (const port of ports) await listening(name, port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid ?? 0, ports, stop };
}

async function listening(name: string, port: number): Promise<void> {
  for (let tries = 0; tries < READY_TRIES; tries += 1) {
    const answered = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => resolve(socket.destroy() !== undefined));
      socket.once("error", () => resolve(false));
    });
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, READY_MS));
  }
  throw new Error(`${name} does not listen on port ${port}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}
