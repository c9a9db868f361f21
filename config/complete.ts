// From the words of a config to the config that the gateway reads.

import { dirname, resolve } from "node:path";
import { type BackendConfig, type Config, deepFreeze, type ModelConfig } from "./config.ts";
import type { Document } from "./schema.ts";

/** The whole config, frozen. `file` is where it came from; relative paths start from its folder. */
export function completeConfig(document: Document, backends: readonly BackendConfig[], file: string): Config {
  const { limits, models } = document;
  // frozen one by one: a kind belongs to its backend's module, not to the config
  const frozen = backends.map(({ name, kind, options }) => Object.freeze({ name, kind, options: deepFreeze(options) }));
  return deepFreeze({
    listen: document.listen,
    readiness: document.readiness,
    drainDelayMs: document.drainDelay,
    drainLimitMs: document.drainLimit,
    tenant: document.tenant,
    timeoutMs: document.timeout,
    limits: {
      bodyBytes: limits.body,
      inFlight: limits.inFlight,
      headerBytes: limits.headers,
      urlBytes: limits.url,
      inputs: limits.inputs,
      nesting: limits.nesting,
      requestTimeoutMs: limits.requestTimeout,
    },
    log: document.log,
    backends: frozen,
    models: models === undefined ? undefined : Object.entries(models).map(completeModel),
    file,
    baseDir: dirname(resolve(file)),
  });
}

function completeModel([name, { backend, model, timeout }]: readonly [
  string,
  NonNullable<Document["models"]>[string],
]): ModelConfig {
  return { name, backend, model: model ?? name, ...(timeout === undefined ? {} : { timeoutMs: timeout }) };
}
