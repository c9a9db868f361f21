// How many connections clients may have, so that the process never runs out of file descriptors.

import { readFileSync } from "node:fs";

/** Kept for model files, logs, connections to backends and what libraries open. */
const RESERVED = 512;
/** Of the rest clients have this share: each request may need a connection to a backend. */
const CLIENTS_SHARE = 0.5;
const FEWEST = 64;

/** File descriptors that the process may have open; undefined where the system does not tell. Source: proc(5), limits. */
export function openFilesLimit(path = "/proc/self/limits"): number | undefined {
  try {
    const digits = /^Max open files\s+(\d+)/m.exec(readFileSync(path, "utf8"))?.[1];
    return digits === undefined ? undefined : Number(digits);
  } catch {
    // another system than Linux
    return undefined;
  }
}

/** Connections that each of so many listeners may have; undefined where there is no limit to keep. */
export function connectionsPerListener(openFiles: number | undefined, listeners: number): number | undefined {
  if (openFiles === undefined) return undefined;
  return Math.max(FEWEST, Math.floor((CLIENTS_SHARE * Math.max(0, openFiles - RESERVED)) / Math.max(1, listeners)));
}
