// What a command may touch of the world around it: its two outputs, the environment, the folder it runs in, signals.

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";

/** Tests bring their own. */
export interface Io {
  /** Writes to the standard output; what a command was asked for. */
  out(text: string): void;
  /** Writes to the standard error; what went wrong, and what is said on the way. */
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Somebody reads the standard output on a terminal. */
  readonly terminal: boolean;
  /** Somebody reads the standard error on a terminal. */
  readonly errTerminal: boolean;
  /** Whether colours are wanted on the standard output. */
  readonly color: boolean;
  /** Calls back on each SIGINT and SIGTERM; the answer stops that. */
  onSignal(callback: (signal: "SIGINT" | "SIGTERM") => void): () => void;
  /** Calls back on each SIGHUP, which asks to read the config again; the answer stops that. */
  onHangup(callback: () => void): () => void;
  /** Calls back with whatever was thrown and caught by nobody, which then does not end the process; the answer stops that. */
  onFault(callback: (error: unknown) => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
  /**
   * Ends the process as the signal does where nobody listens to it: at once and without taking anything down, which
   * inside a run of ONNX Runtime would end in an abort.
   */
  die(signal: "SIGINT" | "SIGTERM"): void;
}

/** What a command comes to, as an exit code; `fault` is a fault of the program itself. Source: sysexits.h, EX_SOFTWARE. */
export const EXIT = { ok: 0, failed: 1, usage: 2, fault: 70 } as const;

/** A command cannot go on; the message is for the person who typed it. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.name = "CliError";
    this.exitCode = exitCode;
  }
}

/** The Io of this process. */
export function processIo(): Io {
  const { stdout, stderr, env } = process;
  // a reader such as `head` that has seen enough is no failure
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(EXIT.ok);
  });
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    env,
    cwd: process.cwd(),
    terminal: stdout.isTTY === true,
    errTerminal: stderr.isTTY === true,
    color: wantsColor(env, stdout.isTTY === true),
    onSignal(callback) {
      process.on("SIGINT", callback);
      process.on("SIGTERM", callback);
      return () => {
        process.off("SIGINT", callback);
        process.off("SIGTERM", callback);
      };
    },
    onHangup(callback) {
      process.on("SIGHUP", callback);
      return () => void process.off("SIGHUP", callback);
    },
    onFault(callback) {
      process.on("uncaughtException", callback);
      process.on("unhandledRejection", callback);
      return () => {
        process.off("uncaughtException", callback);
        process.off("unhandledRejection", callback);
      };
    },
    exit: (code) => process.exit(code),
    die(signal) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    },
  };
}

/** Colours on a terminal that can, unless NO_COLOR is set; anywhere when FORCE_COLOR is. Source: no-color.org, force-color.org. */
export function wantsColor(env: Io["env"], terminal: boolean): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== "") return false;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== "") return env.FORCE_COLOR !== "0";
  return terminal && env.TERM !== "dumb";
}

/** @throws CliError naming the file when it cannot be read */
export async function readBytes(io: Io, path: string): Promise<Uint8Array> {
  try {
    return await readFile(resolve(io.cwd, path));
  } catch (error) {
    throw new CliError(`expected a file that can be read, got ${path}: ${readFault(error)}`);
  }
}

function readFault(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT") return "it does not exist";
  if (code === "EISDIR") return "it is a folder";
  if (code === "EACCES") return "permission denied";
  return code ?? String(error);
}
