// Starts the programs that a figure needs as processes of their own, each on its core, and asks them things.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { Answer } from "./program.ts";

/** What is measured stays off the client's core. */
export const SERVER_CORE = 0;
export const CLIENT_CORE = 1;

export interface Program {
  /** Of its process. */
  readonly pid: number;
  /** @throws Error with the program's own words when it fails, or when it ends before its answer */
  ask<T>(word: string, input?: unknown): Promise<T>;
  /** Asks it to end, and sees to it. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly core: number;
  readonly input?: unknown;
  /** Its log goes nowhere; otherwise to this terminal. */
  readonly mute?: boolean;
  readonly execArgv?: readonly string[];
}

/** How long a program may take to end before it is killed, in milliseconds. */
const END_MS = 10_000;

/** Whether programs can be held to one core each. */
export function canPin(): boolean {
  return availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0;
}

/** @param file beside this one: `programs/served.ts` */
export async function start(file: string, options: StartOptions): Promise<Program> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const command = [process.execPath, "--disable-warning=ExperimentalWarning", ...(options.execArgv ?? []), path];
  const pinned = canPin() ? ["taskset", "-c", String(options.core), ...command] : command;
  const [program = "", ...args] = pinned;
  const child = spawn(program, args, {
    stdio: ["ignore", "inherit", options.mute === true ? "ignore" : "inherit", "ipc"],
    serialization: "advanced",
  });
  const running = open(child, file);
  try {
    await running.ask("start", options.input);
  } catch (error) {
    await running.stop();
    throw error;
  }
  return running;
}

function open(child: ChildProcess, file: string): Program {
  const asked = new Map<number, PromiseWithResolvers<unknown>>();
  let last = 0;
  const ended = new Promise<void>((resolve) => {
    const over = (why: string) => {
      for (const { reject } of asked.values()) reject(new Error(`${file} ended: ${why}`));
      asked.clear();
      resolve();
    };
    child.once("exit", (code, signal) => over(`code ${code}, signal ${signal}`));
    child.once("error", (error) => over(error.message));
  });
  child.on("message", (answer: Answer) => {
    const one = asked.get(answer.ask);
    asked.delete(answer.ask);
    if ("error" in answer) one?.reject(new Error(`${file}: ${answer.error}`));
    else one?.resolve(answer.value);
  });
  return {
    pid: child.pid ?? 0,
    ask<T>(word: string, input?: unknown) {
      last += 1;
      const one = Promise.withResolvers<unknown>();
      asked.set(last, one);
      child.send({ ask: last, word, input }, (error) => {
        if (error !== null) one.reject(error);
      });
      return one.promise as Promise<T>;
    },
    async stop() {
      if (child.connected) child.send({ ask: 0, word: "stop", input: undefined });
      const killer = setTimeout(() => child.kill("SIGKILL"), END_MS);
      await ended;
      clearTimeout(killer);
    },
  };
}

/** Starts programs for the time of `use`, and ends them whatever happens. */
export async function withPrograms<T>(use: (start: Starter) => Promise<T>): Promise<T> {
  const running: Program[] = [];
  try {
    return await use(async (file, options) => {
      const program = await start(file, options);
      running.push(program);
      return program;
    });
  } finally {
    await Promise.all(running.map((program) => program.stop()));
  }
}

export type Starter = (file: string, options: StartOptions) => Promise<Program>;
