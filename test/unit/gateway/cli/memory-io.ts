// An Io that keeps what was written, for tests of commands.

import type { Io } from "../../../../gateway/cli/io.ts";

export interface MemoryIo extends Io {
  /** Everything written to the standard output so far. */
  written(): string;
  /** Everything written to the standard error so far. */
  complained(): string;
  /** Sends a signal to the command. */
  signal(name: "SIGINT" | "SIGTERM"): void;
  readonly exits: readonly number[];
}

export function memoryIo(
  parts: Partial<Pick<Io, "env" | "cwd" | "terminal" | "errTerminal" | "color">> = {},
): MemoryIo {
  let out = "";
  let err = "";
  const listeners = new Set<(signal: "SIGINT" | "SIGTERM") => void>();
  const exits: number[] = [];
  return {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: {},
    cwd: process.cwd(),
    terminal: false,
    errTerminal: false,
    color: false,
    onSignal(callback) {
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
    onHangup: () => () => {},
    onFault: () => () => {},
    exit: (code) => void exits.push(code),
    die: (signal) => void exits.push(signal === "SIGINT" ? 130 : 143),
    ...parts,
    written: () => out,
    complained: () => err,
    signal: (name) => {
      for (const listener of listeners) listener(name);
    },
    exits,
  };
}
