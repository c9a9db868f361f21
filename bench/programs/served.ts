// The gateway under measurement: config, assembly and listeners as `sluice serve` has them, with one worker on free ports.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../config/load.ts";
import { tuneHeap } from "../../gateway/env.ts";
import { kinds } from "../../gateway/kinds.ts";
import { openLog } from "../../gateway/log.ts";
import { type Running, serve } from "../../gateway/main.ts";
import type { GatewaySetup } from "../gateway.ts";
import { answer } from "../program.ts";
import { watchWords } from "../watched.ts";

const held: { gateway?: Running } = {};

function configOf(setup: GatewaySetup) {
  // JSON is YAML
  const text = JSON.stringify({
    listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" },
    log: { level: setup.log },
    backends: { local: { kind: "onnx", repository: setup.repository, workers: 1, watch: false } },
    ...modelsOf(setup),
  });
  const loaded = loadConfig({ text, file: join(setup.repository, "bench.yaml"), env: {} }, kinds);
  if (!loaded.ok) throw new Error(loaded.mistakes.map(({ path, message }) => `${path}: ${message}`).join("; "));
  return loaded.config;
}

function modelsOf({ repository, batch, models }: GatewaySetup): object {
  if (models !== undefined) return { models };
  if (batch === undefined) return {};
  return { models: Object.fromEntries(readdirSync(repository).map((name) => [name, { backend: "local", batch }])) };
}

answer({
  async start(setup: GatewaySetup) {
    tuneHeap();
    const log = openLog({ level: setup.log, pretty: false });
    const gateway = await serve({ config: configOf(setup), log });
    held.gateway = gateway;
    await gateway.settled();
    const missing = gateway.models().filter((model) => model.state !== "ready");
    if (missing.length > 0) throw new Error(`expected every model ready, got ${JSON.stringify(missing)}`);
  },
  port: () => held.gateway?.addresses.http?.port,
  adminPort: () => held.gateway?.addresses.admin?.port,
  ...watchWords(),
  stop: () => held.gateway?.stop(),
});
