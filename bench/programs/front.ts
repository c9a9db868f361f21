// The gateway in front of servers: config, assembly and listeners as `sluice serve` has them, on free ports.

import { loadConfig } from "../../config/load.ts";
import { tuneHeap } from "../../gateway/env.ts";
import { kinds } from "../../gateway/kinds.ts";
import { openLog } from "../../gateway/log.ts";
import { type Running, serve } from "../../gateway/main.ts";
import type { FrontMemory, FrontPorts, FrontSetup } from "../front.ts";
import { answer } from "../program.ts";

/** How long every model may take to become ready. */
const READY_MS = 60_000;
const LOOK_MS = 20;
const MIB = 2 ** 20;

const held: { gateway?: Running } = {};

function configOf({ backends, models, log }: FrontSetup) {
  // JSON is YAML
  const text = JSON.stringify({
    listen: { http: "127.0.0.1:0", grpc: "127.0.0.1:0", admin: "127.0.0.1:0" },
    log: { level: log },
    backends,
    models,
  });
  const loaded = loadConfig({ text, file: "bench.yaml", env: {} }, kinds);
  if (!loaded.ok) throw new Error(loaded.mistakes.map(({ path, message }) => `${path}: ${message}`).join("; "));
  return loaded.config;
}

async function isReady(port: number, model: string): Promise<boolean> {
  const { status } = await fetch(`http://127.0.0.1:${port}/v2/models/${model}/ready`);
  return status === 200;
}

/** @throws Error naming the models that do not become ready in time */
async function allReady(port: number, models: readonly string[]): Promise<void> {
  const giveUpAt = performance.now() + READY_MS;
  let left = models;
  for (;;) {
    const ready = await Promise.all(left.map((model) => isReady(port, model)));
    left = left.filter((_, i) => ready[i] === false);
    if (left.length === 0) return;
    if (performance.now() > giveUpAt) throw new Error(`expected every model ready, got none of ${left.join(" ")}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function portsOf(gateway: Running | undefined): FrontPorts {
  return { http: gateway?.addresses.http?.port ?? 0, grpc: gateway?.addresses.grpc?.port ?? 0 };
}

answer({
  async start(setup: FrontSetup) {
    tuneHeap();
    const log = openLog({ level: setup.log, pretty: false });
    held.gateway = await serve({ config: configOf(setup), log });
    await held.gateway.settled();
    await allReady(portsOf(held.gateway).http, Object.keys(setup.models));
  },
  ports: () => portsOf(held.gateway),
  memory(): FrontMemory {
    globalThis.gc?.();
    const { rss, heapUsed } = process.memoryUsage();
    return { rssMiB: rss / MIB, heapMiB: heapUsed / MIB };
  },
  stop: () => held.gateway?.stop(),
});
