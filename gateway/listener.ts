// What every listener offers to the owner of the process, whichever protocol it speaks, and why one cannot be opened.

import type { Server } from "node:net";
import type { Address } from "../config/config.ts";
import type { Env } from "../core/env.ts";
import { InferError } from "../core/error.ts";

export interface Listener {
  /** Where it listens: the real port when 0 was asked for. */
  readonly address: Address;
  readonly inFlight: number;
  /** From now on clients are asked to go elsewhere; whoever comes all the same is served. */
  drain(): void;
  /** Stops accepting, waits for what is in flight up to `limitMs`, then cuts the rest. */
  close(limitMs: number): Promise<void>;
}

export interface ConnectionLimit {
  /** The listener's name. */
  readonly name: string;
  readonly maxConnections?: number | undefined;
  readonly env: Pick<Env, "emit">;
}

/** Has the server close each connection beyond the limit as it comes. */
export function limitConnections(server: Server, { name, maxConnections, env }: ConnectionLimit): void {
  if (maxConnections === undefined) return;
  server.maxConnections = maxConnections;
  server.on("drop", () => env.emit({ type: "process-connection", listener: name }));
}

const WORDS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use",
  EACCES: "the port may not be opened by this user",
  EADDRNOTAVAIL: "the address is not this machine's",
};

/** The fault of a listener that cannot be opened; `name` is its word under `listen`. */
export function listenFault(
  listener: { readonly name: string; readonly address: Address },
  error: unknown,
): InferError {
  const { host, port } = listener.address;
  const { code } = error as NodeJS.ErrnoException;
  const why = WORDS[code ?? ""] ?? String(code);
  return new InferError("invalid-argument", `listen.${listener.name}: cannot listen on ${host}:${port}: ${why}`, {
    cause: error,
  });
}
