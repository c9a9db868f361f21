// The machine that a result comes from, in what matters for speed; no names and no paths.

import { createRequire } from "node:module";
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";
import { canPin } from "./programs.ts";

export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  /** Processes that wanted a core in the minute before: above 1, others were at work and the spread tells how much it mattered. */
  readonly loadBefore: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** What is measured on core 0, the client on core 1; false where processes could not be held to a core. */
  readonly pinned: boolean;
  readonly libraries: Readonly<Record<string, string>>;
}

const LIBRARIES = ["fastify", "onnxruntime-node", "pino"];

export function machine(): Machine {
  const require = createRequire(import.meta.url);
  const manifest = require("../package.json") as { readonly name: string; readonly version: string };
  const lock = require("../package-lock.json") as {
    readonly packages: Readonly<Record<string, { readonly version?: string }>>;
  };
  const installed = LIBRARIES.map((name) => [name, lock.packages[`node_modules/${name}`]?.version ?? "unknown"]);
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    loadBefore: loadavg()[0] ?? 0,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release().split(/[-+]/)[0]}`,
    node: process.versions.node,
    pinned: canPin(),
    libraries: { [manifest.name]: manifest.version, ...Object.fromEntries(installed) },
  };
}
